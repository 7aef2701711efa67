"""The parts of a finished message, for somebody who looks at it without a mail program."""

import re
from base64 import b64encode
from email.mime.base import MIMEBase
from typing import Any

from django.core.mail import EmailMultiAlternatives

PICTURE = re.compile(r"\bcid:([^\s\"'<>]+)")
# In the sandbox of a preview a link to another page would replace the mail; a new window is not allowed there.
NO_WAY_OUT = '<base target="_blank">'


def html_of(message: EmailMultiAlternatives) -> str:
    """The HTML part; empty if there is none."""
    return next((str(text) for text, kind in message.alternatives if kind == "text/html"), "")


def standing_alone(message: EmailMultiAlternatives) -> str:
    """The HTML part as a document of its own, its pictures inside it."""
    pictures = {str(part["Content-ID"]).strip("<>"): _as_address(part) for part in _mime_parts(message)}
    html = PICTURE.sub(lambda found: pictures.get(found[1], "data:,"), html_of(message))
    return html.replace("<head>", f"<head>{NO_WAY_OUT}", 1)


def attached(message: EmailMultiAlternatives) -> list[str]:
    """The names of all files that come with the message."""
    return [_file_name(part) for part in message.attachments]


def _mime_parts(message: EmailMultiAlternatives) -> list[MIMEBase]:
    return [part for part in message.attachments if isinstance(part, MIMEBase)]


def _as_address(part: MIMEBase) -> str:
    content: Any = part.get_payload(decode=True)
    return f"data:{part.get_content_type()};base64,{b64encode(content).decode()}"


def _file_name(part: Any) -> str:
    return str(part.get_filename() if isinstance(part, MIMEBase) else part[0])
