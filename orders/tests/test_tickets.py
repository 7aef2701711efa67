"""The ticket code and its picture (contract 3.7)."""

import hashlib
import io
import json
import re

import pytest
import zxingcpp
from PIL import Image

from audit.models import AuditLog
from orders.models import Order
from orders.services.tickets import code_for, current_code, hash_code, qr_payload, qr_png
from tests.factories import make_event, make_order, make_tier

AWKWARD = {
    "plain": "Night",
    "long": "N" * 255,
    "accents": "ñ" * 255,
    "emoji": "🎉" * 255,
    "escapes": '"\\\x01' * 85,
}


@pytest.fixture
def order(db):
    return make_order(make_tier(make_event(name="Noche de Año"), name="VIP"), "paid")


def test_code_has_the_form_of_the_contract_and_only_its_hash_is_stored(order):
    code = current_code(order)

    assert re.fullmatch(r"[0-9A-F]{32}", code)
    assert order.qr_code_hash == hashlib.sha256(code.encode()).hexdigest() == hash_code(code.lower())


def test_code_is_the_same_every_time_and_differs_by_order_version_and_key(order, settings):
    assert current_code(order) == current_code(order) == code_for(order.pk, 1)

    codes = {code_for(order.pk, 1), code_for(order.pk, 2), code_for(make_order().pk, 1)}
    settings.TICKET_KEY = "another key that is long enough to be one"
    assert len(codes | {code_for(order.pk, 1)}) == 4


def test_changed_key_issues_a_new_version_that_the_door_knows(order, settings):
    old = current_code(order)
    settings.TICKET_KEY = "another key that is long enough to be one"

    new = current_code(order)

    stored = Order.objects.get()
    assert new != old
    assert (stored.code_version, stored.qr_code_hash) == (2, hash_code(new))
    assert current_code(stored) == new
    log = AuditLog.objects.get(action="CODE_REISSUED")
    assert (log.entity_id, log.old_value, log.new_value) == (order.pk, {"version": 1}, {"version": 2})


def test_two_workers_with_a_changed_key_agree_on_one_code(order, settings):
    stale = Order.objects.get()
    settings.TICKET_KEY = "another key that is long enough to be one"

    assert current_code(order) == current_code(stale)
    assert Order.objects.get().code_version == 2


def test_payload_is_compact_json_in_the_order_of_the_contract(order):
    payload = qr_payload(order, "A" * 32)

    assert payload == f'{{"id":"{order.order_number}","qr":"{"A" * 32}","event":"Noche de Año","tier":"VIP"}}'


@pytest.mark.django_db
@pytest.mark.parametrize("tier", AWKWARD.values(), ids=AWKWARD.keys())
@pytest.mark.parametrize("event", AWKWARD.values(), ids=AWKWARD.keys())
def test_picture_can_be_read_whatever_the_names(event, tier):
    order = make_order(make_tier(make_event(name=event), name=tier))

    payload = qr_payload(order, current_code(order))
    picture = Image.open(io.BytesIO(qr_png(payload)))
    scanned = zxingcpp.read_barcode(picture)

    content = json.loads(scanned.text)
    assert (scanned.text, picture.size, scanned.ec_level) == (payload, (300, 300), "H")
    assert len(payload.encode()) <= 200
    assert (content["id"], content["qr"]) == (order.order_number, current_code(order))
    assert event.startswith(content["event"])
    assert tier.startswith(content["tier"])


def test_short_name_is_whole_beside_a_long_one(db):
    order = make_order(make_tier(make_event(name="N" * 255), name="VIP"))

    assert json.loads(qr_payload(order, "A" * 32))["tier"] == "VIP"


def test_picture_has_the_colours_and_the_margin_of_the_contract():
    picture = Image.open(io.BytesIO(qr_png("x" * 200))).convert("RGB")

    colours = {colour for _, colour in picture.getcolors()}
    module = 300 / (77 + 2 * 2)
    assert (picture.format, colours) == (None, {(0x0D, 0x1F, 0x1A), (0xF5, 0xF0, 0xE8)})
    first_dark = next(x for x in range(300) if picture.getpixel((x, x)) == (0x0D, 0x1F, 0x1A))
    assert first_dark == pytest.approx(2 * module, abs=1)
