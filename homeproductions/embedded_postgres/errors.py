"""How the embedded PostgreSQL says no."""


class EmbeddedPostgresError(RuntimeError):
    """The embedded PostgreSQL cannot do what was asked. The message says what to do about it."""
