"""Selling at the door and giving tickets away."""

from datetime import timedelta
from decimal import Decimal
from threading import Barrier, Thread

import pytest
from django.db import connection
from django.utils import timezone

from audit.models import AuditLog
from events.models import TicketTier
from homeproductions.errors import Refused
from homeproductions.mail.models import OutboxEmail
from orders import season as figures
from orders.bookkeeping import differences
from orders.models import CheckIn, JournalEntry, Order
from orders.services import box_office, status
from orders.services.box_office import Wish
from tests.factories import make_event, make_tier, make_user


@pytest.fixture
def office(db):
    return make_user("admin")


def tonight(**fields):
    """A tier of a night that begins about now."""
    now = timezone.localtime()
    return make_tier(
        make_event(event_date=now.date(), event_time=now.time()), **{"quantity": 5, "max_per_order": 2, **fields}
    )


def wish(tier, quantity=2, **fields):
    return Wish(event_id=tier.event_id, tier_id=tier.pk, quantity=quantity, **fields)


def refusal(function, *args, **kwargs):
    with pytest.raises(Refused) as refused:
        function(*args, **kwargs)
    return refused.value.code


def test_walk_in_pays_and_has_a_ticket(office):
    tier = tonight()

    order = box_office.sell(wish(tier, 3, name="Ana"), method="cash", actor=office)

    order.refresh_from_db()
    assert (order.status, order.payment_provider, order.payment_method) == ("paid", "door", "cash")
    assert (order.buyer_name, order.buyer_email, order.total_price) == ("Ana", "", Decimal("76.50"))
    assert (order.payment_confirmed_by, order.ip_address, order.hold_expires_at) == (office, None, None)
    assert (TicketTier.objects.get().sold, figures.total(figures.season()).earned) == (3, {"USD": Decimal("76.50")})
    assert not OutboxEmail.objects.exists()
    assert not CheckIn.objects.exists()
    actions = AuditLog.objects.order_by("created_at").values_list("action", "user")
    assert set(actions) == {("CREATE", office.pk), ("STATUS_CHANGE", office.pk)}
    assert differences() == []


def test_walk_in_with_an_address_gets_the_ticket_by_mail(office):
    order = box_office.sell(wish(tonight(), email="ana@example.com"), method="card", receipt="0042", actor=office)

    mail = OutboxEmail.objects.get()
    assert (mail.email_type, mail.recipient_email, mail.order) == ("ticket", "ana@example.com", order)
    assert (order.payment_method, order.payment_reference, order.buyer_name) == ("card", "0042", "Walk-in")


def test_walk_in_may_go_straight_in(office):
    order = box_office.sell(wish(tonight()), method="cash", actor=office, let_in=True)

    checkin = CheckIn.objects.get()
    assert (checkin.order, checkin.admitted, checkin.checked_in_by) == (order, 2, office)


def test_nobody_goes_straight_in_before_the_night(office):
    tier = make_tier()

    assert refusal(box_office.sell, wish(tier), method="cash", actor=office, let_in=True) == "VALIDATION_ERROR"
    assert not Order.objects.exists()


def test_ticket_given_away_takes_seats_and_earns_nothing(office):
    order = box_office.give_away(wish(tonight(), name="Press"), reason="Magazine of the city", actor=office)

    order.refresh_from_db()
    assert (order.status, order.payment_provider, order.payment_method) == ("paid", "comp", "comp")
    assert (order.unit_price, order.total_price, order.payment_reference) == (0, 0, "Magazine of the city")
    whole = figures.total(figures.season())
    assert (TicketTier.objects.get().sold, whole.tickets, whole.earned.get("USD", 0)) == (2, 2, 0)
    assert "Magazine" not in str(list(AuditLog.objects.values()))
    assert differences() == []


def test_ticket_given_away_can_be_taken_back(office):
    order = box_office.give_away(wish(tonight(), email="press@example.com"), reason="Press", actor=office)

    status.refund(order.pk, actor=office)

    assert TicketTier.objects.get().sold == 0
    assert not JournalEntry.objects.filter(kind="refund").exists()
    assert differences() == []


def test_giving_away_wants_a_reason(office):
    assert refusal(box_office.give_away, wish(tonight()), reason="  ", actor=office) == "MISSING_REQUIRED_FIELDS"
    assert not Order.objects.exists()


@pytest.mark.parametrize(
    ("changes", "quantity", "code"),
    [
        ({"quantity": 1}, 2, "SOLD_OUT"),
        ({}, 0, "VALIDATION_ERROR"),
        ({}, -1, "VALIDATION_ERROR"),
        ({}, 101, "VALIDATION_ERROR"),
    ],
)
def test_sale_that_cannot_be_is_refused(office, changes, quantity, code):
    tier = tonight(**changes)

    assert refusal(box_office.sell, wish(tier, quantity), method="cash", actor=office) == code
    assert refusal(box_office.sell, wish(tier), method="beads", actor=office) == "VALIDATION_ERROR"
    assert (Order.objects.exists(), TicketTier.objects.get().sold) == (False, 0)


@pytest.mark.parametrize("state", ["draft", "cancelled", "completed", "deleted"])
def test_night_that_is_not_on_is_not_sold(office, state):
    tier = make_tier(make_event(status=state))

    assert refusal(box_office.sell, wish(tier), method="cash", actor=office) == "EVENT_NOT_ACTIVE"
    assert refusal(box_office.give_away, wish(tier), reason="Press", actor=office) == "EVENT_NOT_ACTIVE"


def test_night_that_is_over_is_not_sold(office):
    tier = make_tier(make_event(event_date=timezone.localdate() - timedelta(days=2)))

    assert refusal(box_office.sell, wish(tier), method="cash", actor=office) == "SALE_ENDED"


def test_tier_that_is_off_the_internet_is_sold_at_the_door(office):
    tier = tonight(is_active=False, sale_ends_at=timezone.now() - timedelta(hours=1))

    assert box_office.sell(wish(tier), method="cash", actor=office).status == "paid"


def test_refused_check_in_sells_nothing(office, monkeypatch):
    def refuse(*args):
        raise Refused

    monkeypatch.setattr("orders.services.checkin._refuse_unless_welcome", refuse)

    assert refusal(box_office.sell, wish(tonight()), method="cash", actor=office, let_in=True)
    assert (Order.objects.exists(), TicketTier.objects.get().sold) == (False, 0)


def test_form_sent_twice_sells_once(office):
    tier = tonight()

    first, again = (box_office.sell(wish(tier, attempt="n-1"), method="cash", actor=office) for _ in range(2))

    assert (first, TicketTier.objects.get().sold) == (again, 2)
    assert refusal(box_office.sell, wish(tier, 1, attempt="n-1"), method="cash", actor=office) == "VALIDATION_ERROR"


@pytest.mark.django_db(transaction=True)
def test_form_sent_twice_at_once_sells_once():
    office, tier = make_user("admin"), tonight(quantity=100)
    threads, sold = 6, []
    barrier = Barrier(threads)

    def press():
        barrier.wait()
        try:
            sold.append(box_office.sell(wish(tier, attempt="n-1"), method="cash", actor=office).pk)
        finally:
            connection.close()

    pressing = [Thread(target=press) for _ in range(threads)]
    for thread in pressing:
        thread.start()
    for thread in pressing:
        thread.join()

    assert (len(sold), len(set(sold)), Order.objects.count(), TicketTier.objects.get().sold) == (threads, 1, 1, 2)
