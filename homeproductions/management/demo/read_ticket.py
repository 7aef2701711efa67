"""Prints what a scanner reads from the ticket in a mail file.

python -m homeproductions.management.demo.read_ticket MAIL.eml
"""

import email
import io
import sys
from email.message import Message
from pathlib import Path

import zxingcpp
from PIL import Image


def read_ticket(path: Path) -> str:
    """The text in the QR code of the mail. Exits with a reason when there is none."""
    for picture in _pictures(path):
        for barcode in zxingcpp.read_barcodes(picture):
            return str(barcode.text)
    sys.exit(f"There is no readable QR code in {path}.")


def _pictures(path: Path) -> list[Image.Image]:
    try:
        message = email.message_from_bytes(path.read_bytes())
    except OSError as error:
        sys.exit(f"{path} cannot be read: {error.strerror}")
    parts = [part for part in message.walk() if part.get_content_maintype() == "image"]
    return [Image.open(io.BytesIO(_content(part))) for part in parts]


def _content(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(read_ticket(Path(sys.argv[1])))
