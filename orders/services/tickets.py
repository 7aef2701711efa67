"""The ticket of an order: the code that the door will accept, and its picture (contract 3.7)."""

import io
import json

from django.db import transaction
from PIL import Image, ImageColor
from qrcode.constants import ERROR_CORRECT_H
from qrcode.main import QRCode
from qrcode.util import MODE_8BIT_BYTE, QRData

from accounts.models import User
from audit.services import record
from orders.codes import code_for, hash_code
from orders.models import Order

PAYLOAD_MAX_BYTES = 200
QR_PIXELS = 300
QR_MARGIN = 2
QR_MASK = 3
QR_DARK, QR_LIGHT = "#0d1f1a", "#F5F0E8"


def current_code(order: Order) -> str:
    """The code that the door will accept for this order.

    When TICKET_KEY has changed since the order was made, the old code cannot be derived any more: a new version is
    issued and audited, so that no mail carries a dead code.
    """
    code = code_for(order.pk, order.code_version)
    return code if hash_code(code) == order.qr_code_hash else _reissue(order)


@transaction.atomic
def _reissue(order: Order) -> str:
    locked = Order.objects.select_for_update().get(pk=order.pk)
    # Another worker may have done it while we waited for the lock.
    if hash_code(code_for(locked.pk, locked.code_version)) != locked.qr_code_hash:
        renew_code(locked)
    order.code_version, order.qr_code_hash = locked.code_version, locked.qr_code_hash
    return code_for(order.pk, order.code_version)


def renew_code(order: Order, *, actor: User | None = None) -> None:
    """Give a locked order the next version of its code, in the caller's transaction. The one before, and the links
    that led to it, are worth nothing from then on."""
    version = order.code_version
    order.code_version = version + 1
    order.qr_code_hash = hash_code(code_for(order.pk, order.code_version))
    order.save(update_fields=["code_version", "qr_code_hash"])
    record("CODE_REISSUED", order, actor=actor, old={"version": version}, new={"version": order.code_version})


def qr_payload(order: Order, code: str) -> str:
    """The text inside the QR code: compact JSON of at most 200 UTF-8 bytes, the longer of the two names cut first."""
    content = {"id": order.order_number, "qr": code, "event": order.event.name, "tier": order.tier.name}
    while len((payload := _compact(content)).encode()) > PAYLOAD_MAX_BYTES:
        longer = max("event", "tier", key=lambda name: len(_compact(content[name]).encode()))
        content[longer] = content[longer][:-1]
    return payload


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def qr_png(payload: str) -> bytes:
    """A PNG of exactly 300 by 300 pixels with a margin of 2 modules, at the highest error correction."""
    # Readers take any mask; to try all eight for the evenest pattern was half of the work of a mail.
    code = QRCode(error_correction=ERROR_CORRECT_H, border=QR_MARGIN, mask_pattern=QR_MASK)
    # One byte segment: readers guess the character set per segment, and guess better with the whole text.
    code.add_data(QRData(payload.encode(), mode=MODE_8BIT_BYTE), optimize=0)
    modules = code.get_matrix()
    picture = Image.new("P", (len(modules), len(modules)))
    picture.putdata([0 if is_dark else 1 for row in modules for is_dark in row])
    # The longest payload has 81 modules: they become 3 or 4 pixels each, with sharp edges.
    picture = picture.resize((QR_PIXELS, QR_PIXELS), Image.Resampling.NEAREST)
    picture.putpalette(bytes([*ImageColor.getrgb(QR_DARK), *ImageColor.getrgb(QR_LIGHT)]))
    file = io.BytesIO()
    picture.save(file, format="PNG", bits=1)
    return file.getvalue()
