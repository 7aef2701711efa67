"""Who somebody is to us: everything that is stored about an address."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from constance import config
from django.utils.crypto import salted_hmac

from accounts.models import User
from audit.models import AuditLog
from homeproductions.errors import Invalid
from homeproductions.fields import is_email
from homeproductions.mail.forgetting import mails_of
from homeproductions.traces import Traces
from newsletter.models import Subscriber
from orders.services.forgetting import Holdings, have_changed, holdings_of, traces_of

from .errors import Changed, WorksHere

FORGET_PERSON = "FORGET_PERSON"
OF_THE_HOUSE = ("contact_email", "staff_alert_email")


@dataclass(frozen=True)
class Person:
    """A guest: their address in small letters, how they are called, and the ids of what is stored."""

    email: str
    traces: Traces
    holdings: Holdings
    subscribers: frozenset[UUID]
    mails: frozenset[UUID]

    def __bool__(self) -> bool:
        return bool(self.holdings or self.subscribers or self.mails)

    @property
    def called(self) -> dict[UUID, Traces]:
        """Their traces by the id of everything that is stored about them."""
        return dict.fromkeys([*self.entities, *self.holdings.deliveries], self.traces)

    @property
    def entities(self) -> list[UUID]:
        """What the audit knows them by."""
        return [*self.holdings.orders, *self.holdings.payments, *self.subscribers, *self.mails]


def find(email: str) -> Person:
    """Everything about the address. Raises Invalid for what is none, WorksHere for staff and the house itself.

    What is stored counts as an address although nobody could type it any more: the rules have become stricter."""
    address = email.strip().lower()
    person = _stored(address) if "@" in address else None
    if person is None or not (person or is_email(address)):
        raise Invalid(f"{email!r} is not an e-mail address.")
    _refuse_staff(address)
    return person


def _stored(address: str) -> Person:
    holdings = holdings_of(address)
    return Person(
        email=address,
        traces=traces_of(holdings.orders, address),
        holdings=holdings,
        subscribers=_subscribers(address),
        mails=frozenset(mails_of(holdings.orders, [address]).values_list("pk", flat=True)),
    )


def refuse_changed(person: Person) -> None:
    """Look again at somebody whose rows are locked by now. Raises Changed if there is anything that `find` did not see,
    or not so, and what `find` raises. Notices are not searched again: one that came meanwhile is a late one."""
    _refuse_staff(person.email)
    now = (traces_of(person.holdings.orders, person.email), _subscribers(person.email))
    if now != (person.traces, person.subscribers) or have_changed(person.holdings, person.email):
        raise Changed


def _subscribers(address: str) -> frozenset[UUID]:
    return frozenset(Subscriber.objects.filter(email=address).values_list("pk", flat=True))


def _refuse_staff(address: str) -> None:
    if User.objects.filter(email=address).exists():
        raise WorksHere(
            f"{address} is the login of somebody of the staff, whose name is part of the history of what was done. "
            "A guest's orders under this address: ask them to use a private one; the login is changed at "
            "/admin/accounts/user/."
        )
    for name in OF_THE_HOUSE:
        if str(getattr(config, name)).strip().lower() == address:
            raise WorksHere(f"{address} is the house's own address (the setting {name}). Change that first.")


def pseudonym(email: str) -> str:
    """What the audit calls somebody who was forgotten: a keyed hash, so that whoever has the address and SECRET_KEY can
    tell that it happened, and nobody can read the address from it."""
    return salted_hmac("homeproductions.privacy", email, algorithm="sha256").hexdigest()


def forgotten_at(email: str) -> datetime | None:
    """When the address was last forgotten, for all that the audit knows (under the SECRET_KEY of today)."""
    done = AuditLog.objects.filter(action=FORGET_PERSON, new_value__person=pseudonym(email.strip().lower()))
    return done.values_list("created_at", flat=True).first()
