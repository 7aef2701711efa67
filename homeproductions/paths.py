"""Which addresses of this server are for programs, and get their answers as JSON, and which are pages for people."""

OFFICE = "/admin/"
PAGES = (OFFICE, "/orders/", "/newsletter/")
PROGRAMS_ONLY = ("/api", "/metrics", "/metrics/")


def is_api(path: str) -> bool:
    """Whether programs ask here, whatever they say they accept."""
    return path.startswith(("/api/", "/health")) or path in PROGRAMS_ONLY
