"""Stored notices that no payment ties to an order: repeats, what never became a payment, and what came after its guest
had been forgotten.

The worker looks at each notice once, after it was applied, and notes which order it is about: then it is forgotten
together with that order, or at once where that order is forgotten already. Those about nobody known here go by age.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from homeproductions import chores
from homeproductions.api import DATABASE_AWAY
from homeproductions.traces import Traces
from orders.models import Order, Payment, WebhookDelivery
from orders.places import IS_WAITING
from orders.providers.registry import notices_in

from . import forgetting, matching

log = structlog.get_logger(__name__)

PAGE = 200
Position = tuple[datetime, UUID]
# How a notice names an order or a payment: what kind of name it is, whose, and the name.
Name = tuple[str, str, str]


def look_at_new(*, within: timedelta) -> int:
    """Look, for about that long, at the notices that were applied and that nobody has looked at, the oldest first,
    whatever FORGET_GUESTS_AFTER_DAYS says. Returns how many were emptied because their guest is forgotten.

    One about money that waits for a person is looked at once that is decided; one about an order that somebody else
    is just changing, the next time.
    """
    stop = time.monotonic() + within.total_seconds()
    return sum(_look_or_leave(page) for page in _pages(_unseen(), stop))


def forget_old(before: datetime, stop: float) -> int:
    """Empty those from before then that are about nobody known here, until the clock says `stop`. Returns how many."""
    pages = _pages(_of_nobody().filter(received_at__lt=before), stop)
    return sum(_forget(delivery_id) for page in pages for delivery_id in page)


def _pages(notices: QuerySet[WebhookDelivery], stop: float) -> Iterator[list[UUID]]:
    """The oldest first. What is left as it was is passed, so it keeps nothing behind it waiting."""
    rows = notices.order_by("received_at", "pk").values_list("received_at", "pk")
    page: Sequence[Position] = list(rows[:PAGE])
    while page and time.monotonic() < stop:
        yield [delivery_id for _, delivery_id in page]
        moment, last = page[-1]
        later = Q(received_at__gt=moment) | Q(pk__gt=last)
        page = list(rows.filter(later, received_at__gte=moment)[:PAGE])


# --- To look at ------------------------------------------------------------------------------------------------------


def _unseen() -> QuerySet[WebhookDelivery]:
    """As the index `delivery_unseen` says it, without those that wait."""
    waiting = Payment.objects.filter(IS_WAITING, delivery=OuterRef("pk"))
    unseen = WebhookDelivery.objects.filter(~Exists(waiting), looked_at=None, forgotten_at=None)
    return unseen.exclude(status__in=WebhookDelivery.WAITING)


def _look_or_leave(ids: Collection[UUID]) -> int:
    """Together, or one by one where that fails. What fails by itself is left for the next time (logged)."""
    try:
        return _look_at(ids)
    except DATABASE_AWAY:
        raise
    except Exception as error:  # it must not keep the others waiting
        if len(ids) > 1:
            return sum(_look_or_leave([each]) for each in ids)
        log.error("notice not looked at", delivery=str(*ids), **chores.outline(error))
        return 0


@transaction.atomic
def _look_at(ids: Collection[UUID]) -> int:
    # It waits for nobody: neither guests nor those who forget them wait for it, or meet it the wrong way round.
    deliveries = list(_unseen().filter(pk__in=ids).select_for_update(of=("self",), no_key=True, skip_locked=True))
    about = _orders_about(deliveries)
    # Behind these locks nobody is just forgetting an order without knowing of what is noted here.
    free = Order.objects.filter(pk__in={pk for pks in about.values() for pk in pks}).order_by("pk")
    free = free.select_for_update(of=("self",), no_key=True, skip_locked=True)
    is_forgotten = {pk: at is not None for pk, at in free.values_list("pk", "forgotten_at")}
    emptied, seen = 0, {}
    for delivery in deliveries:
        orders = about[delivery.pk]
        if not orders <= is_forgotten.keys():
            continue
        remembered = [pk for pk in orders if not is_forgotten[pk]]
        if orders and not remembered:
            _empty(delivery)
            emptied += 1
        else:
            seen[delivery.pk] = next(iter(remembered), None)
    with connection.cursor() as cursor:  # the ORM takes three times as long for it as for all the rest
        cursor.execute(NOTE_SEEN, [list(seen), list(seen.values())])
    return emptied


NOTE_SEEN = """
    UPDATE webhook_deliveries SET looked_at = now(), order_id = seen.order_id
    FROM unnest(%s::uuid[], %s::uuid[]) AS seen (id, order_id) WHERE webhook_deliveries.id = seen.id"""


# --- Which order each is about ---------------------------------------------------------------------------------------


def _orders_about(deliveries: Collection[WebhookDelivery]) -> defaultdict[UUID, set[UUID]]:
    """By the payment that was made of it, by the order's number or id, or by its checkout; else by another payment
    that it names."""
    found: defaultdict[UUID, set[UUID]] = defaultdict(set)
    made = Payment.objects.filter(delivery__in=deliveries)
    for delivery_id, *orders in made.values_list("delivery", "order", "charge__order"):
        found[delivery_id].update(filter(None, orders))
    names = {delivery.pk: set(_names_in(delivery)) for delivery in deliveries}
    _add(found, names, _orders_by_name)
    _add(found, {pk: of for pk, of in names.items() if not found[pk]}, _orders_by_payment)
    return found


def _add(
    found: dict[UUID, set[UUID]],
    names: dict[UUID, set[Name]],
    known: Callable[[set[Name]], dict[Name, set[UUID]]],
) -> None:
    orders = known({name for of in names.values() for name in of})
    for pk, of in names.items():
        found[pk].update(order for name in of for order in orders.get(name, ()))


def _names_in(delivery: WebhookDelivery) -> Iterator[Name]:
    for notice in notices_in(delivery.provider, delivery.body):
        if notice.order_reference:
            column, value = matching.name_in(notice)
            yield column, "", str(value)
        if notice.checkout_reference:
            yield "checkout", delivery.provider, notice.checkout_reference
        for reference in filter(None, (notice.reference, *notice.charge_references)):
            yield "payment", delivery.provider, reference


def _orders_by_name(names: set[Name]) -> dict[Name, set[UUID]]:
    found: defaultdict[Name, set[UUID]] = defaultdict(set)
    told = Q(pk__in=_of_kind("id", names)) | Q(order_number__in=_of_kind("order_number", names))
    for pk, number in Order.objects.filter(told).values_list("pk", "order_number"):
        found["id", "", str(pk)].add(pk)
        found["order_number", "", number].add(pk)
    opened = Order.objects.filter(
        checkout_provider__in={provider for _, provider, _ in names},
        checkout_reference__in=_of_kind("checkout", names),
    )
    for pk, provider, reference in opened.values_list("pk", "checkout_provider", "checkout_reference"):
        found["checkout", str(provider), str(reference)].add(pk)
    return found


def _orders_by_payment(names: set[Name]) -> dict[Name, set[UUID]]:
    found: defaultdict[Name, set[UUID]] = defaultdict(set)
    payments = Payment.objects.filter(
        provider__in={provider for _, provider, _ in names},
        kind__in=Payment.Kind.values,
        reference__in=_of_kind("payment", names),
    )
    for provider, reference, *orders in payments.values_list("provider", "reference", "order", "charge__order"):
        found["payment", provider, reference].update(filter(None, orders))
    return found


def _of_kind(kind: str, names: set[Name]) -> list[str]:
    return [name for each, _, name in names if each == kind]


# --- About nobody ----------------------------------------------------------------------------------------------------


def _of_nobody() -> QuerySet[WebhookDelivery]:
    """As the index `delivery_of_nobody` says it, without what was made of one since then."""
    is_remembered = Q(order__forgotten_at=None, order__isnull=False)
    needed = Payment.objects.filter(is_remembered | IS_WAITING, delivery=OuterRef("pk"))
    return WebhookDelivery.objects.filter(~Exists(needed), looked_at__isnull=False, order=None, forgotten_at=None)


@transaction.atomic
def _forget(delivery_id: UUID) -> bool:
    locked = _of_nobody().select_for_update(of=("self",), no_key=True, skip_locked=True)
    delivery = locked.filter(pk=delivery_id).first()
    if delivery is None:
        return False
    _empty(delivery)
    return True


def _empty(delivery: WebhookDelivery) -> None:
    forgetting.forget_notice(delivery, Traces())
    Payment.objects.filter(~IS_WAITING, delivery=delivery).update(payer_email="", outcome_note="")
