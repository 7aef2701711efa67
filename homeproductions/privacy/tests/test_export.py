"""`manage.py export_person`: all that is known about somebody, and nothing that lets them in or names our staff."""

import io
import json
import stat

import pytest
from django.core.management import CommandError, call_command

from audit.models import AuditLog
from orders.services import tickets
from tests.factories import make_order, make_user

from .everywhere import AGENT, EMAIL, IP, NAME, OTHER, PHONE, TYPO, scatter


def export(email=EMAIL, **options):
    out = io.StringIO()
    call_command("export_person", email, stdout=out, stderr=io.StringIO(), **options)
    return out.getvalue()


def test_everything_that_is_known_is_in_it(db):
    house = scatter()

    text = export()
    found = json.loads(text)

    assert all(each in text for each in (NAME, EMAIL, TYPO, PHONE, IP, AGENT, "lost a coat", "called from"))
    assert [order["order_number"] for order in found["orders"]] == [
        order.order_number for order in (house.order, house.typo, house.copy)
    ]
    first = found["orders"][0]
    assert (first["event"]["name"], first["total_price"], len(first["let_in"]), len(first["turned_away"])) == (
        house.order.event.name,
        "25.50",
        1,
        1,
    )
    assert {each["reference"] for each in found["payments"]} >= {"pi_nobody", f"pi_{house.other.pk.hex[:8]}"}
    assert [row["email"] for row in found["newsletter"]] == [EMAIL]
    assert EMAIL in "".join(notice["body"] for notice in found["payment_notices"])
    assert {mail["email_type"] for mail in found["mails"]} >= {"ticket", "reminder", "newsletter_confirmation"}


def test_nothing_of_others_and_nothing_that_opens_a_door_is_in_it(db):
    house = scatter()

    text = export()

    code = tickets.current_code(house.order)
    secrets = (code, house.order.qr_code_hash, house.staff.email, house.staff.name, str(house.staff.pk))
    assert [each for each in (*OTHER.values(), *secrets) if each in text] == []


def test_that_somebody_asked_is_in_the_audit_without_the_address(db):
    make_order(buyer_email=EMAIL)

    export()

    row = AuditLog.objects.get(action="EXPORT_PERSON")
    assert (set(row.new_value), EMAIL in str(row.new_value)) == ({"person"}, False)


def test_a_file_is_new_and_its_owners_only(db, tmp_path):
    make_order(buyer_email=EMAIL)
    file = tmp_path / "person.json"

    export(output=file)

    assert json.loads(file.read_text())["orders"][0]["buyer_email"] == EMAIL
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(CommandError, match="File exists"):
        export(output=file)


def test_an_unknown_address_gets_empty_lists(db):
    found = json.loads(export("nobody@example.org"))

    assert {name for name, value in found.items() if value == []} == {
        "orders",
        "payments",
        "payment_notices",
        "mails",
        "newsletter",
        "history",
    }


def test_staff_and_nonsense_are_refused(db):
    with pytest.raises(CommandError, match="login of somebody of the staff"):
        export(make_user().email)
    with pytest.raises(CommandError, match="not an e-mail address"):
        export("nonsense")
