"""Who comes to a night: the list that hangs at its door."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone

from events.models import Event

from . import search
from .models import CheckIn, Order

HEADER = ("Name", "Order", "Ticket", "People", "In", "First in at")
CONTACTS = ("E-mail", "Phone")
CHUNK = 2000


def guests(event: Event, *, text: str = "") -> QuerySet[Any]:
    """The paid orders of a night by name, each with its check-in. Whoever is looked for by name or number is also
    found when their order does not let them in: somebody has to tell them."""
    checkin = CheckIn.objects.filter(order=OuterRef("pk"))
    orders = Order.objects.filter(event=event, is_test=False).select_related("tier")
    orders = search.find(orders, text, with_contacts=False) if text else orders.filter(status=Order.Status.PAID)
    return orders.annotate(
        admitted=Subquery(checkin.values("admitted")[:1]),
        checked_in_at=Subquery(checkin.values("checked_in_at")[:1]),
    ).order_by("buyer_name__plain", "order_number")


def door_header(*, with_contacts: bool) -> Sequence[str]:
    return (*HEADER, *CONTACTS) if with_contacts else HEADER


def door_rows(event: Event, *, with_contacts: bool) -> Iterator[Sequence[Any]]:
    """One row for each paid order, as a file shows it, without holding all of them."""
    for order in guests(event).iterator(chunk_size=CHUNK):
        contacts = (order.mail_address, order.buyer_phone or "") if with_contacts else ()
        yield (*_facts(order), *contacts)


def _facts(order: Any) -> Sequence[Any]:
    at = _clock(order.checked_in_at)
    return order.buyer_name, order.order_number, order.tier.name, order.quantity, order.admitted or 0, at


def _clock(moment: datetime | None) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M}" if moment else ""
