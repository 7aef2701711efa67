"""The mails of an order. `queue_ticket` promises one in the caller's transaction; the worker renders it."""

from datetime import UTC, datetime, timedelta
from email.mime.image import MIMEImage
from email.utils import parseaddr
from typing import Any

from constance import config
from django.conf import settings
from django.core.mail import EmailMultiAlternatives, SafeMIMEMultipart
from django.template.loader import render_to_string
from django.utils import timezone, translation
from icalendar import Calendar
from icalendar import Event as CalendarEvent

from events.models import Event
from homeproductions.mail import services as outbox
from homeproductions.mail.errors import NotWanted
from homeproductions.mail.models import EmailKind, OutboxEmail
from homeproductions.mail.registry import renders
from orders.models import Order
from orders.services import tickets

UNTOLD_LENGTH = timedelta(hours=6)


def queue_ticket(order: Order, *, recipient: str | None = None) -> OutboxEmail:
    """Promise the ticket of a paid order to its buyer, or to another address."""
    return outbox.queue(
        EmailKind.TICKET,
        order=order,
        recipient=recipient or order.buyer_email,
        subject=f"🎫 Your Ticket: {order.event.name}",
    )


@renders(EmailKind.TICKET)
def render_ticket(email: OutboxEmail) -> EmailMultiAlternatives:
    """The ticket with its QR code and a calendar entry. Raises NotWanted unless the order is paid."""
    order = Order.objects.select_related("event", "tier").get(emails=email)
    if order.status != Order.Status.PAID:
        raise NotWanted(f"the order is {order.status}, not paid")
    code = tickets.current_code(order)
    context = ticket_context(order, code)
    # The texts are English, so the names of days and months must be, whatever language the process speaks.
    with translation.override("en"):
        message = MessageWithPictures(body=render_to_string("emails/ticket.txt", context))
        message.attach_alternative(render_to_string("emails/ticket.html", context), "text/html")
    message.attach(inline_picture("qrcode", "ticket-qr.png", tickets.qr_png(tickets.qr_payload(order, code))))
    message.attach("event.ics", calendar_of(order).decode(), "text/calendar")
    return message


def ticket_context(order: Order, code: str) -> dict[str, Any]:
    event = order.event
    return {
        "site_name": config.site_name,
        "contact_email": config.contact_email,
        "order": order,
        "event": event,
        "place": place_of(event),
        "admits": "Admits 1 person" if order.quantity == 1 else f"Admits {order.quantity} people",
        "code": code,
    }


def place_of(event: Event) -> str:
    return ", ".join(part for part in (event.venue, event.location) if part)


# --- Calendar ----------------------------------------------------------------------------------------------


def calendar_of(order: Order) -> bytes:
    """An iCalendar file with the night of the order. A later mail replaces the entry: its UID stays the same."""
    event = order.event
    _, sender = parseaddr(settings.DEFAULT_FROM_EMAIL)
    entry = CalendarEvent()
    entry.add("uid", f"{order.pk}@{sender.rpartition('@')[2]}")
    entry.add("dtstamp", datetime.now(UTC))
    # In UTC, which every calendar shows in its owner's zone without knowing ours.
    entry.add("dtstart", event.starts_at.astimezone(UTC))
    entry.add("dtend", end_of(event).astimezone(UTC))
    entry.add("summary", event.name)
    entry.add("location", place_of(event))
    entry.add("description", f"Order {order.order_number}")
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
