"""The mails of an order. A `queue_` function promises one in the caller's transaction; the worker renders it.

An order has at most one open mail of each kind. A mail whose reason is gone when it is rendered is not sent.
"""

from datetime import UTC, datetime, timedelta
from email.mime.image import MIMEImage
from email.utils import parseaddr
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, SafeMIMEMultipart
from django.db.models import Sum
from django.template.loader import render_to_string
from django.utils import timezone, translation
from icalendar import Calendar
from icalendar import Event as CalendarEvent
from icalendar.parser import Contentline, Contentlines

from events.models import Event
from homeproductions.house import house
from homeproductions.mail import services as outbox
from homeproductions.mail.errors import NotWanted
from homeproductions.mail.models import EmailKind, OutboxEmail
from homeproductions.mail.registry import renders
from homeproductions.reading import fetch_with
from homeproductions.statements import Part
from orders import links
from orders.models import JournalEntry, Order
from orders.places import waiting_charges
from orders.services import tickets

ENTRY = b"BEGIN:VEVENT\r\n"
UNTOLD_LENGTH = timedelta(hours=6)
# What the guest is told. Mail to the staff about an order has reasons of its own.
TO_THE_GUEST = (
    EmailKind.CONFIRMATION,
    EmailKind.TICKET,
    EmailKind.REFUND,
    EmailKind.HOLD_EXPIRED,
    EmailKind.EVENT_OFF,
)

# --- Promise -----------------------------------------------------------------------------------------------


def received(order: Order) -> OutboxEmail:
    """The mail that tells a new pending order how and until when to pay, to be inserted together with it."""
    return outbox.first(
        EmailKind.CONFIRMATION,
        order=order,
        recipient=order.buyer_email,
        subject=f"Your order for {order.event.name}: please pay",
    )


def first_ticket(order: Order) -> list[OutboxEmail]:
    """The mail with the ticket of an order that becomes paid, to be inserted together with that; none for a guest who
    left no address (at the door)."""
    if not order.mail_address:
        return []
    recipient, subject = order.mail_address, _ticket_subject(order)
    return [outbox.first(EmailKind.TICKET, order=order, recipient=recipient, subject=subject)]


def queue_ticket(order: Order) -> OutboxEmail | None:
    """Promise the ticket of a paid order once more, unless its guest left no address."""
    return _queue(EmailKind.TICKET, order, _ticket_subject(order))


def _ticket_subject(order: Order) -> str:
    return f"🎫 Your Ticket: {order.event.name}"


def queue_refunded(order: Order) -> OutboxEmail | None:
    """Promise word of a refund, unless nobody bought the order (a test order)."""
    return _queue_word(EmailKind.REFUND, order, f"Refunded: {order.event.name}")


def queue_hold_expired(order: Order) -> OutboxEmail | None:
    """Promise word that the seats were given back, unless nobody wanted them (a test order)."""
    return _queue_word(EmailKind.HOLD_EXPIRED, order, f"Your order for {order.event.name} has expired")


def queue_event_off(order: Order) -> OutboxEmail | None:
    """Promise word that the night is cancelled, unless nobody bought the order (a test order); a ticket that has not
    left yet stays here. An order that is refunded needs no such mail: the one about the refund says it."""
    outbox.close_open(order, kinds=[EmailKind.TICKET], reason="the night was cancelled")
    return _queue_word(EmailKind.EVENT_OFF, order, f"Cancelled: {order.event.name}")


def _queue_word(kind: EmailKind, order: Order, subject: str) -> OutboxEmail | None:
    return None if order.is_test else _queue(kind, order, subject)


def _queue(kind: EmailKind, order: Order, subject: str) -> OutboxEmail | None:
    if not order.mail_address:
        return None
    return outbox.queue(kind, order=order, recipient=order.mail_address, subject=subject)


def closing_received(order: Order, *, reason: str) -> Part:
    """Takes back the invitation to pay, as a part of the statement that makes the order no longer pending."""
    return outbox.closing(order, kinds=[EmailKind.CONFIRMATION], reason=reason)


# --- Render ------------------------------------------------------------------------------------------------


@renders(EmailKind.TICKET)
def render_ticket(email: OutboxEmail) -> EmailMultiAlternatives:
    """The ticket with its QR code and a calendar entry. Raises NotWanted unless the order is paid."""
    order = _order_of(email, Order.Status.PAID)
    code = tickets.current_code(order)
    message = MessageWithPictures()
    _fill(message, "ticket", ticket_context(order, code))
    message.attach(inline_picture("qrcode", "ticket-qr.png", tickets.qr_png(tickets.qr_payload(order, code))))
    message.attach("event.ics", calendar_of(order).decode(), "text/calendar")
    return message


@renders(EmailKind.CONFIRMATION)
def render_received(email: OutboxEmail) -> EmailMultiAlternatives:
    """How and until when to pay. Raises NotWanted unless the order still waits for its money."""
    order = _order_of(email, Order.Status.PENDING)
    _refuse_while_money_waits(order)
    if order.hold_expires_at and order.hold_expires_at <= timezone.now():
        raise NotWanted("the time to pay is over")
    return _message("order_received", order)


@renders(EmailKind.REFUND)
def render_refunded(email: OutboxEmail) -> EmailMultiAlternatives:
    """Word of a refund. Raises NotWanted unless the order was refunded."""
    order = _order_of(email, Order.Status.REFUNDED)
    return _message("order_refunded", order, money_back=_money_back(order))


@renders(EmailKind.HOLD_EXPIRED)
def render_hold_expired(email: OutboxEmail) -> EmailMultiAlternatives:
    """Word that the seats were given back because nobody paid. Raises NotWanted unless the order was cancelled, and
    when its money came after all."""
    order = _order_of(email, Order.Status.CANCELLED)
    _refuse_while_money_waits(order)
    if order.successors.exists():
        raise NotWanted("another order took its place")
    return _message("hold_expired", order)


@renders(EmailKind.EVENT_OFF)
def render_event_off(email: OutboxEmail) -> EmailMultiAlternatives:
    """Word that the night is cancelled, and what that means for the order as it is now. Raises NotWanted when the
    night takes place after all, or the order was refunded meanwhile."""
    order = _order(email)
    if not order.event.is_off:
        raise NotWanted("the night takes place after all")
    if order.status == Order.Status.REFUNDED:
        raise NotWanted("the mail about the refund says it")
    is_paid = order.status == Order.Status.PAID or waiting_charges().filter(order=order).exists()
    return _message("event_off", order, is_paid=is_paid)


def _order_of(email: OutboxEmail, status: str) -> Order:
    """The mail's order with its night. Raises NotWanted when it is not in the state that justified the mail."""
    order = _order(email)
    if order.status != status:
        raise NotWanted(f"the order is {order.status}, not {status}")
    return order


def _order(email: OutboxEmail) -> Order:
    order = fetch_with(Order, ("event", "tier"), "orders.id = %s", email.order_id)
    assert order is not None  # the database holds the two together
    return order


def _refuse_while_money_waits(order: Order) -> None:
    """Somebody who has paid must not read that they did not. Their page tells them, and what a person decides does."""
    if waiting_charges().filter(order=order).exists():
        raise NotWanted("a payment for the order waits for a person")


def _money_back(order: Order) -> str:
    """What the guest got back, `51.00 USD`: not always the price, for other amounts and currencies are accepted too.
    Empty when there was nothing to give back."""
    refunds = JournalEntry.objects.filter(order=order, kind=JournalEntry.Kind.REFUND)
    sums = refunds.order_by("currency").values_list("currency").annotate(Sum("amount"))
    return " and ".join(f"{-amount} {currency}" for currency, amount in sums if amount)


def _message(template: str, order: Order, **more: Any) -> EmailMultiAlternatives:
    message = EmailMultiAlternatives()
    _fill(message, template, {**order_context(order), **more})
    return message


def _fill(message: EmailMultiAlternatives, template: str, context: dict[str, Any]) -> None:
    """Both texts of `templates/emails/`."""
    # The texts are English, so the names of days and months must be, whatever language the process speaks.
    with translation.override("en"):
        message.body = render_to_string(f"emails/{template}.txt", context)
        message.attach_alternative(render_to_string(f"emails/{template}.html", context), "text/html")


def ticket_context(order: Order, code: str) -> dict[str, Any]:
    admits = "Admits 1 person" if order.quantity == 1 else f"Admits {order.quantity} people"
    return {**order_context(order), "admits": admits, "code": code}


def order_context(order: Order) -> dict[str, Any]:
    """What the mails and the page of an order both tell."""
    return {
        **house(),
        "order": order,
        "event": order.event,
        "place": place_of(order.event),
        "people": "1 person" if order.quantity == 1 else f"{order.quantity} people",
        "zone": zone_name(),
        "link": links.order_url(order),
    }


def zone_name() -> str:
    """The house's time zone in the words of a guest: `America/Guatemala` is Guatemala time."""
    city = settings.TIME_ZONE.rpartition("/")[2].replace("_", " ")
    return city if city == "UTC" else f"{city} time"


def place_of(event: Event) -> str:
    return ", ".join(part for part in (event.venue, event.location) if part)


# --- Calendar ----------------------------------------------------------------------------------------------


def calendar_of(order: Order) -> bytes:
    """An iCalendar file with the night of the order. A later mail replaces the entry: its UID stays the same."""
    event = order.event
    night = _calendar_of_night(event.name, place_of(event), event.starts_at, end_of(event))
    _, sender = parseaddr(settings.DEFAULT_FROM_EMAIL)
    own = [
        f"UID:{order.pk}@{sender.rpartition('@')[2]}",
        f"DTSTAMP:{datetime.now(UTC):%Y%m%dT%H%M%SZ}",
        f"DESCRIPTION:Order {order.order_number}",
    ]
    folded = Contentlines(map(Contentline, own)).to_ical()  # type: ignore[no-untyped-call]
    return night.replace(ENTRY, ENTRY + folded, 1)


@lru_cache(maxsize=100)
def _calendar_of_night(name: str, place: str, start: datetime, end: datetime) -> bytes:
    """What the calendars of all guests of a night have in common: to write it was a tenth of the work of a mail."""
    entry = CalendarEvent()
    # In UTC, which every calendar shows in its owner's zone without knowing ours.
    entry.add("dtstart", start.astimezone(UTC))
    entry.add("dtend", end.astimezone(UTC))
    entry.add("summary", name)
    entry.add("location", place)
    calendar = Calendar()
    calendar.add("prodid", "-//Home Productions//Tickets//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add_component(entry)
    return calendar.to_ical()


def end_of(event: Event) -> datetime:
    """When the night ends: on the next morning if the clock says earlier than the start, 6 hours on if nobody said."""
    if event.end_time is None:
        return event.starts_at.astimezone(UTC) + UNTOLD_LENGTH
    is_next_day = event.end_time <= event.event_time
    day = event.event_date + timedelta(days=1) if is_next_day else event.event_date
    return timezone.make_aware(datetime.combine(day, event.end_time))


# --- Pictures in the text ----------------------------------------------------------------------------------


class MessageWithPictures(EmailMultiAlternatives):
    """Puts pictures with a Content-ID together with the text (multipart/related) and other files beside it.

    Django would put all of them side by side, and some mail programs then list the picture instead of showing it.
    """

    def message(self, **options: Any) -> Any:
        mixed: Any = super().message(**options)
        text, *files = mixed.get_payload()
        pictures = [file for file in files if file["Content-ID"]]
        others = [file for file in files if not file["Content-ID"]]
        related = SafeMIMEMultipart(_subtype="related", _subparts=[text, *pictures], type=text.get_content_type())
        mixed.set_payload([related, *others])
        return mixed


def inline_picture(content_id: str, filename: str, png: bytes) -> MIMEImage:
    picture = MIMEImage(png, "png")
    picture.add_header("Content-ID", f"<{content_id}>")
    picture.add_header("Content-Disposition", "inline", filename=filename)
    return picture
