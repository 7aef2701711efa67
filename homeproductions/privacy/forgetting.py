"""Forgetting one person everywhere, in one transaction."""

from datetime import datetime

from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from audit import services as audit
from homeproductions import counting
from homeproductions.mail import forgetting as mails
from homeproductions.traces import said_in
from newsletter import services as newsletter
from orders.models import Order
from orders.services import forgetting as orders
from orders.services import status
from orders.services.retention import FORGET

from . import people
from .errors import StillOpen
from .people import FORGET_PERSON, Person, pseudonym

SIGNED_IN = "_auth_user_"
CANCELLED_BECAUSE = "its guest was forgotten"


@transaction.atomic
def forget(person: Person, *, even_open: bool = False, now: datetime | None = None) -> None:
    """Take the person out of everything that is stored. Orders keep their money, seats and moments.

    Raises StillOpen, and changes nothing, while somebody may have to reach them: an unpaid order, a ticket for a night
    to come, money that waits. With `even_open` unpaid orders are cancelled, and tickets still admit whoever has them.
    Raises Changed if they ordered, paid or subscribed since `person` was found; what they do from here on stays.
    """
    now = now or timezone.now()
    orders.lock(person.holdings)
    people.refuse_changed(person)
    matters = orders.open_matters(person.holdings, now)
    if matters and not even_open:
        raise StillOpen(matters)
    for order in Order.objects.filter(pk__in=person.holdings.orders, status=Order.Status.PENDING):
        status.cancel_locked(status.lock(order.pk), reason=CANCELLED_BECAUSE)
    orders.forget(person.holdings, person.called)
    mails.forget(person.holdings.orders, [person.email], person.mails)
    newsletter.forget([person.email])
    _forget_office(person)
    audit.forget(person.called, everywhere=person.traces)
    _note(person, matters)
    transaction.on_commit(lambda: _forget_counts(person))


def _note(person: Person, matters: list[str]) -> None:
    """That it happened, with nothing that names them: order numbers and a keyed hash of the address."""
    touched = Order.objects.filter(pk__in=person.holdings.orders).order_by("order_number")
    audit.record_all(FORGET, touched, new={"asked": True})
    new = {
        "person": pseudonym(person.email),
        "orders": [order.order_number for order in touched],
        "payments": len(person.holdings.payments),
        "notices": len(person.holdings.deliveries),
        "mails": len(person.mails),
        "newsletter": bool(person.subscribers),
        "open": len(matters),
    }
    audit.record(FORGET_PERSON, entity_type="person", new=new)


def _forget_office(person: Person) -> None:
    """What Django itself keeps for the office: the log that older versions of the admin wrote, and what a screen had
    to say to somebody signed in (who has to sign in again)."""
    own = {str(pk) for pk in person.entities}
    mentioned = Q(object_id__in=own)
    for email in person.traces.emails:
        mentioned |= Q(object_repr__icontains=email) | Q(change_message__icontains=email)
    for entry in LogEntry.objects.filter(mentioned):
        traces = person.traces if entry.object_id in own else person.traces.addresses
        if traces.are_in(f"{entry.object_repr}\n{said_in(entry.change_message)}"):
            LogEntry.objects.filter(pk=entry.pk).update(object_repr="", change_message="")
    for session in Session.objects.iterator(chunk_size=100):
        if person.traces.are_in(_said_on_screen(session)):
            session.delete()


def _said_on_screen(session: Session) -> str:
    """Without who is signed in: that is Django's own, whatever a guest is called."""
    told = session.get_decoded()
    return str([each for name, each in told.items() if not name.startswith(SIGNED_IN)])


def _forget_counts(person: Person) -> None:
    """Counters hold hashes only and end within the hour; those of this person need not wait for that."""
    counting.forget_count("account", person.email)
    for order_id in person.holdings.orders:
        counting.forget_count("pay", str(order_id))
