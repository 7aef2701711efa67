"""The ticket of an order: the code that the door will accept, and its picture (contract 3.7)."""

import io
import json
from typing import Any

import zxingcpp
from django.db import transaction
from PIL import Image, ImageColor

from accounts.models import User
from audit.services import record
from orders.codes import code_for, hash_code
from orders.models import Order

PAYLOAD_MAX_BYTES = 200
QR_PIXELS = 300
QR_MARGIN = 2
QR_MASK = 3
QR_DARK, QR_LIGHT = 0, 1
QR_PALETTE = bytes([*ImageColor.getrgb("#0d1f1a"), *ImageColor.getrgb("#F5F0E8")])
QR_COLOURS = [QR_DARK] + [QR_LIGHT] * 255  # by shade of grey


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
    # Readers take any mask; to try all eight for the evenest pattern was most of the work of drawing.
    options: dict[str, Any] = {"ec_level": "H", "data_mask": QR_MASK}
    if not payload.isascii():
        options["eci"] = "UTF-8"  # says so inside the code: readers need not guess
    code = zxingcpp.create_barcode(payload, zxingcpp.BarcodeFormat.QRCode, **options)
    modules = Image.fromarray(code.to_image(add_quiet_zones=False)).point(QR_COLOURS)
    picture = Image.new("P", (modules.width + 2 * QR_MARGIN, modules.height + 2 * QR_MARGIN), QR_LIGHT)
    picture.paste(modules, (QR_MARGIN, QR_MARGIN))
    # The longest payload has 81 modules: they become 3 or 4 pixels each, with sharp edges.
    picture = picture.resize((QR_PIXELS, QR_PIXELS), Image.Resampling.NEAREST)
    picture.putpalette(QR_PALETTE)
    file = io.BytesIO()
    # Little is left to squeeze at one bit a pixel: a fast pass makes 200 bytes more in half of the time.
    picture.save(file, format="PNG", bits=1, compress_level=1)
    return file.getvalue()
