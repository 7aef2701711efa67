"""A ticket is mailed again, to another address if need be, or replaced by a new code."""

import pytest

from audit.models import AuditLog
from homeproductions.errors import Refused
from homeproductions.mail import turns
from homeproductions.mail.delivery import process_due
from homeproductions.mail.models import OutboxEmail
from homeproductions.traces import NOBODY
from orders import links
from orders.models import Order
from orders.services import checkin, forgetting, status, tickets
from orders.services.forgetting import Holdings
from tests.factories import make_order, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def office():
    return make_user("admin")


@pytest.fixture
def order():
    return make_order(status="paid")


def refusal(function, *args, **kwargs):
    with pytest.raises(Refused) as refused:
        function(*args, **kwargs)
    return refused.value.code


def sent_to():
    return list(OutboxEmail.objects.order_by("created_at").values_list("recipient_email", flat=True))


def test_correction_stands_beside_what_the_guest_typed(order, office):
    status.resend_ticket(order.pk, actor=office, address="lucia.perez@example.com")

    order.refresh_from_db()
    assert (order.buyer_email, order.corrected_email) == ("lucia@example.com", "lucia.perez@example.com")
    assert sent_to() == ["lucia.perez@example.com"]
    log = AuditLog.objects.get(action="RESEND_EMAIL")
    assert (log.user, log.old_value, log.new_value) == (office, None, {"is_corrected": True})


def test_later_mail_goes_to_the_corrected_address(order, office):
    status.resend_ticket(order.pk, actor=office, address="lucia.perez@example.com")

    status.refund(order.pk, actor=office)

    assert sent_to() == ["lucia.perez@example.com"] * 2


def test_correction_can_be_taken_back(order, office):
    status.resend_ticket(order.pk, actor=office, address="wrong@example.com")

    status.resend_ticket(order.pk, actor=office, address="lucia@example.com")

    order.refresh_from_db()
    assert (order.corrected_email, sent_to()) == (None, ["lucia@example.com"])
    assert AuditLog.objects.filter(new_value={"is_corrected": False}).exists()


def test_address_in_other_capitals_is_no_correction(order, office):
    status.resend_ticket(order.pk, actor=office, address="Lucia@Example.com")

    order.refresh_from_db()
    assert (order.corrected_email, sent_to()) == (None, ["lucia@example.com"])
    assert AuditLog.objects.get(action="RESEND_EMAIL").new_value is None


def test_plain_resend_corrects_nothing(order, office):
    status.resend_ticket(order.pk, actor=office)

    order.refresh_from_db()
    assert (order.corrected_email, sent_to()) == (None, ["lucia@example.com"])
    assert AuditLog.objects.get(action="RESEND_EMAIL").new_value is None


def test_mail_that_is_leaving_cannot_be_sent_elsewhere(order, office):
    status.resend_ticket(order.pk, actor=office)
    turns.claim()

    assert refusal(status.resend_ticket, order.pk, actor=office, address="other@example.com") == "EMAIL_LEAVING"
    order.refresh_from_db()
    assert (order.corrected_email, sent_to()) == (None, ["lucia@example.com"])
    status.resend_ticket(order.pk, actor=office)  # to the same address it may


def test_guest_without_an_address_needs_one(office):
    order = make_order(status="paid", buyer_email="")

    assert refusal(status.resend_ticket, order.pk, actor=office) == "NO_EMAIL_ADDRESS"
    status.resend_ticket(order.pk, actor=office, address="lucia@example.com")
    assert sent_to() == ["lucia@example.com"]


def test_nobody_becomes_known_again_whose_guest_was_forgotten(order, office):
    forgetting.forget(Holdings(orders=frozenset([order.pk])), {order.pk: NOBODY})

    for address in ("", "lucia@example.com"):
        assert refusal(status.resend_ticket, order.pk, actor=office, address=address) == "GUEST_FORGOTTEN"
    status.reissue_ticket(order.pk, actor=office)

    order.refresh_from_db()
    assert (order.buyer_email, order.corrected_email, sent_to()) == ("", None, [])
    assert not AuditLog.objects.filter(action="RESEND_EMAIL").exists()


def test_new_code_ends_the_old_one_and_its_link(order, office):
    code, token = tickets.current_code(order), links.token_of(order)

    status.reissue_ticket(order.pk, actor=office)

    order = Order.objects.get()
    assert (order.code_version, sent_to()) == (2, ["lucia@example.com"])
    assert refusal(checkin.check_in, checkin.Scan(text=code, actor=office)) == "ORDER_NOT_FOUND"
    assert refusal(links.order_of, token) == "ORDER_NOT_FOUND"
    assert links.order_of(links.token_of(order)) == order
    assert checkin.check_in(checkin.Scan(text=tickets.current_code(order), actor=office)).order == order
    log = AuditLog.objects.get(action="CODE_REISSUED")
    assert (log.user, log.old_value, log.new_value) == (office, {"version": 1}, {"version": 2})


def test_mail_after_a_new_code_holds_that_code(order, office, mailoutbox):
    status.resend_ticket(order.pk, actor=office)
    status.reissue_ticket(order.pk, actor=office)

    process_due()

    order.refresh_from_db()
    [message] = mailoutbox
    assert tickets.current_code(order) in message.body
    assert links.order_url(order) in message.body


def test_no_new_code_while_a_mail_with_the_old_one_is_leaving(order, office):
    status.resend_ticket(order.pk, actor=office)
    turns.claim()

    assert refusal(status.reissue_ticket, order.pk, actor=office) == "EMAIL_LEAVING"
    assert Order.objects.get().code_version == 1


def test_new_code_may_stay_here(order, office):
    status.reissue_ticket(order.pk, actor=office, send_email=False)

    assert (Order.objects.get().code_version, sent_to()) == (2, [])


@pytest.mark.parametrize("state", ["pending", "cancelled", "refunded"])
def test_only_a_paid_order_has_a_ticket(state, office):
    order = make_order(status=state)

    assert refusal(status.reissue_ticket, order.pk, actor=office) == "NOT_PAID"
    assert refusal(status.resend_ticket, order.pk, actor=office) == "NOT_PAID"
    assert sent_to() == []


def test_order_without_an_address_is_not_shown_to_whoever_sends_none(api):
    order = make_order(status="paid", buyer_email="", buyer_phone="+502 5555 5555")

    for query in ("", "?email=", "?email=%20"):
        shown = api.get(f"/api/orders/{order.order_number}{query}").json()["order"]
        assert (shown["buyerPhone"], shown["buyerName"]) == ("***", "L*** P***")
