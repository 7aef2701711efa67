"""How a newsletter link says no. The texts are shown on a page."""

from homeproductions.errors import Refused


class LinkUnknown(Refused):
    code = "LINK_UNKNOWN"
    status = 404
    message = "Part of the address may be missing. Please open the link from the mail again."


class LinkExpired(Refused):
    code = "LINK_EXPIRED"
    status = 410
    message = "Links to confirm work for a week and only once. If you still want our news, please subscribe again."
