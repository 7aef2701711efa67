"""What can be asked about orders."""

import re
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from django.db.models import CharField, OuterRef, Q, QuerySet, Subquery, UUIDField
from django.db.models.functions import Lower

from events.queries import as_uuid, look
from homeproductions.errors import Invalid
from homeproductions.mail.models import OutboxEmail
from homeproductions.parsers import load_json
from homeproductions.reading import Asked, fetch_beside, fetch_one, fetch_page, ids_of_page, made_once, page_of
from homeproductions.statements import Part

from . import codes
from .errors import OrderNotFound, PaymentNotFound
from .journal import major_units
from .models import CheckIn, Order, Payment
from .places import IS_WAITING

# A hold that ends within this time needs a person now, if it needs one at all.
ENDS_SOON = timedelta(minutes=15)
# Money and its order are days apart at most, and nobody reads a longer list.
CANDIDATE_DAYS = timedelta(days=14)
CANDIDATES = 10
DASHLESS = re.compile(r"^(HP\d{6})([0-9A-Z]{8})$")


def find_by_number(text: str) -> Order:
    """The order with this number, in any letter case and with stray blanks. Raises OrderNotFound."""
    order = _with_night().filter(order_number=normal_number(text)).first()
    if order is None:
        raise OrderNotFound
    return order


def find_for_guest(text: str) -> Order:
    """`find_by_number` for looking only: by one small query, its night as this process last saw it, at most a second
    ago."""
    order = fetch_one(Order, "order_number = %s", normal_number(text))
    if order is None:
        raise OrderNotFound
    return _at_its_night(order)


def find_for_door(text: str) -> tuple[Order | None, CheckIn | None]:
    """The order shown at the door and its check-in, as `find_for_guest` looks."""
    column, value = shown(text)
    order, checkin = fetch_beside(Order, f"orders.{column} = %s", CheckIn, "order_id", value)
    return _at_its_night(order) if order is not None else None, checkin


def _at_its_night(order: Order) -> Order:
    order.tier = look(order.event_id, order.tier_id)
    order.event = order.tier.event
    return order


def normal_number(text: str) -> str:
    """As it is stored, however people write it: small, with blanks, without the dash."""
    return DASHLESS.sub(r"\1-\2", "".join(text.split()).upper())


def presented(text: str) -> Q:
    """The condition for the order that was shown at the door: a ticket code, the JSON of a ticket's QR, an order
    number or an order id, in any letter case.

    A QR that carries a code is looked up by that code alone: a revoked code must not pass by the number beside it.
    """
    column, value = shown(text)
    return Q(**{column: value})


def shown(text: str) -> tuple[str, Any]:
    """`presented` as the column and its value."""
    text = text.strip()
    if text.startswith("{"):
        payload = _payload(text)
        text = payload.get("qr") or payload.get("id") or ""
    if codes.looks_like_code(text):
        return "qr_code_hash", codes.hash_code(text)
    order_id = as_uuid(text.lower())
    return ("id", order_id) if order_id else ("order_number", normal_number(text))


def find_presented(text: str) -> Order:
    """The order shown at the door, unlocked. Raises OrderNotFound."""
    order = _with_night().prefetch_related("checkins").filter(presented(text)).first()
    if order is None:
        raise OrderNotFound
    return order


def find_by_id(reference: str) -> Order:
    """One order by its id, with what the office's list shows. Raises OrderNotFound."""
    order_id = as_uuid(reference)
    order = _for_office().filter(pk=order_id).first() if order_id else None
    if order is None:
        raise OrderNotFound
    return order


def find_by_number_or_id(reference: str) -> Order:
    """One order by either name. Raises OrderNotFound."""
    order_id = as_uuid(reference.strip().lower())
    return find_by_id(str(order_id)) if order_id else find_by_number(reference)


def listed(
    *, event_id: UUID | Asked | None = None, status: str | Asked = "", search: str | Asked = ""
) -> QuerySet[Order]:
    """Orders for the office, newest first, without a query per row. An unknown status finds nothing."""
    orders = _for_office()
    if event_id:
        orders = orders.filter(event_id=event_id)
    if status:
        orders = orders.filter(status=status)
    if search:
        orders = orders.filter(
            Q(buyer_name__icontains=search) | Q(buyer_email__icontains=search) | Q(order_number__icontains=search)
        )
    return orders.order_by("-created_at", "-id")


# What `listed` may be asked for, and the type of it.
ASKED = {"event_id": UUIDField(), "status": CharField(), "search": CharField()}


def page_listed(columns: tuple[str, ...], chosen: dict[str, Any], *, limit: int, offset: int) -> list[Any]:
    """These columns of a page of `listed`, its query made once for each choice of filters."""
    asked = {name: value for name, value in chosen.items() if value}
    # Ids first costs the first page, which skips nothing, a quarter more; the 2000th would take a hundred times longer.
    made = _listed_far if offset else _listed
    return fetch_page(made(columns, tuple(asked)), asked, limit=limit, offset=offset)


@cache
def _listed(columns: tuple[str, ...], names: tuple[str, ...]) -> Part:
    return page_of(_asked(names).values_list(*columns))


@cache
def _listed_far(columns: tuple[str, ...], names: tuple[str, ...]) -> Part:
    page = ids_of_page(_asked(names).values("pk"))
    return made_once(listed().filter(pk__in=page).values_list(*columns))


def _asked(names: tuple[str, ...]) -> QuerySet[Order]:
    return listed(**{name: Asked(name, ASKED[name]) for name in names})


def recent_checkins() -> QuerySet[CheckIn]:
    return CheckIn.objects.select_related("order__event", "order__tier").order_by("-checked_in_at", "-id")


def hold_ends_soon(now: datetime) -> Q:
    """The condition for pending orders that lose their seats within minutes, or are about to be told so."""
    return Q(status=Order.Status.PENDING, hold_expires_at__lte=now + ENDS_SOON)


def _for_office() -> QuerySet[Order]:
    """With the state of the ticket mail and the time of the check-in, by sub-queries."""
    # (A LIMIT comes before them: they run for the rows of one page.)
    ticket = OutboxEmail.objects.filter(order=OuterRef("pk"), email_type="ticket").order_by("-created_at")
    checkin = CheckIn.objects.filter(order=OuterRef("pk"))
    return _with_night().annotate(
        email_status=Subquery(ticket.values("status")[:1]),
        email_sent_at=Subquery(ticket.values("sent_at")[:1]),
        checked_in_at=Subquery(checkin.values("checked_in_at")[:1]),
        admitted=Subquery(checkin.values("admitted")[:1]),
    )


def _with_night() -> QuerySet[Order]:
    return Order.objects.select_related("event", "tier")


def _payload(text: str) -> dict[str, str]:
    """The QR's JSON with lower-case keys: a keyboard-type scanner types it in capitals."""
    try:
        value: Any = load_json(text.encode())
    except Invalid:
        return {}
    if not isinstance(value, dict):
        return {}
    return {str(key).lower(): item.strip() for key, item in value.items() if isinstance(item, str)}


# --- Payments ------------------------------------------------------------------------------------------------


def payments_waiting() -> QuerySet[Payment]:
    """Payments that wait for a person, the longest waiting on top."""
    # The second condition follows from the first; the index of what waits is found by it.
    return _payments().filter(IS_WAITING, reviewed_at=None).order_by("created_at", "pk")


def page_of_payments(*, limit: int, offset: int) -> list[Payment]:
    """So many payments for the office: what waits for a person first, then the newest."""
    # Two lists with an index each: in one order, all payments would be sorted for each page.
    waiting = payments_waiting()
    first = list(waiting[offset : offset + limit])
    if len(first) == limit:
        return first
    others = Payment.objects.exclude(pk__in=waiting.order_by().values("pk")).order_by("-created_at", "-pk")
    start = max(0, offset - waiting.count())
    # The ids alone are skipped by the index; what belongs to a payment is read for the page.
    page = others.values("pk")[start : start + limit - len(first)]
    return first + list(_payments().filter(pk__in=page).order_by("-created_at", "-pk"))


def _payments() -> QuerySet[Payment]:
    return Payment.objects.select_related("order", "charge", "reviewed_by")


def find_payment(reference: str) -> Payment:
    """One payment by its id. Raises PaymentNotFound."""
    payment_id = as_uuid(reference)
    payment = _payments().filter(pk=payment_id).first() if payment_id else None
    if payment is None:
        raise PaymentNotFound
    return payment


def candidates(payment: Payment) -> list[Order]:
    """The orders that a waiting charge may be for: the one it names, those of its payer's address, and those of its
    amount that waited for money at the time; test orders never."""
    address = payment.payer_email.strip().lower()
    orders = Order.objects.filter(is_test=False).alias(address=Lower("buyer_email"), corrected=Lower("corrected_email"))
    since, until = payment.created_at - CANDIDATE_DAYS, payment.created_at + CANDIDATE_DAYS
    found: dict[UUID, Order] = {}
    if payment.order_id is not None:
        found.update(_by_id(orders.filter(pk=payment.order_id)))
    if address:
        theirs = Q(address=address) | Q(corrected=address, corrected_email__isnull=False)
        found.update(_by_id(orders.filter(theirs)))
    if payment.amount_minor is not None:
        priced = orders.filter(total_price=major_units(payment.amount_minor), currency=payment.currency)
        unpaid = priced.filter(status__in=(Order.Status.PENDING, Order.Status.CANCELLED))
        found.update(_by_id(unpaid.filter(created_at__range=(since, until))))
    return list(found.values())[: 2 * CANDIDATES]


def _by_id(orders: QuerySet[Order]) -> dict[UUID, Order]:
    newest = orders.select_related("event", "tier").order_by("-created_at", "-id")[:CANDIDATES]
    return {order.pk: order for order in newest}
