"""The orders of the past weeks. They are inserted directly, because the services always write the present moment."""

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from random import Random
from typing import Any

from accounts.models import User
from audit.models import AuditLog
from events.models import Event, TicketTier
from homeproductions.mail.models import OutboxEmail
from orders import codes
from orders.journal import minor_units
from orders.models import CheckIn, JournalEntry, Order, Payment, RefusedScan
from orders.services.checkout import new_order_number

from . import programme

Status = Order.Status
LIVE = (Status.PENDING, Status.PAID)
PAID_ONCE = (Status.PAID, Status.REFUNDED)
LONGEST_SALE = timedelta(days=40)
QUANTITIES = (1, 1, 2, 2, 2, 2, 3, 4)
SHARE_THAT_CAME = 0.85
PAYMENT_FIELDS = [
    "status",
    "payment_provider",
    "payment_reference",
    "payment_confirmed_at",
    "payment_confirmed_by",
    "cancelled_at",
    "hold_expires_at",
]


@dataclass
class History:
    """What happened before now, gathered in memory and written in one go."""

    now: datetime
    admin: User
    door: User
    random: Random = field(default_factory=lambda: Random(4))
    orders: list[Order] = field(default_factory=list)
    ends: dict[uuid.UUID, str] = field(default_factory=dict)  # the status each order has by now
    payments: list[Payment] = field(default_factory=list)
    mails: list[OutboxEmail] = field(default_factory=list)
    checkins: list[CheckIn] = field(default_factory=list)
    refused: list[RefusedScan] = field(default_factory=list)
    audit: list[AuditLog] = field(default_factory=list)

    # --- Gather ------------------------------------------------------------------------------------------------

    def sell(self, tier: TicketTier, plan: programme.Tier) -> None:
        """Add the orders of a tier that is not saved yet, and set its `sold` to match them."""
        for status in Status.values:
            for _ in range(getattr(plan.sales, status)):
                self._add(tier, status, self._quantity(tier))
        while plan.is_sold_out and tier.sold < tier.quantity:
            self._add(tier, Status.PAID, min(self._quantity(tier), tier.quantity - tier.sold))

    def add_test_order(self, tier: TicketTier) -> Order:
        """One of the office's own: paid, flagged, and not counted in `sold`."""
        return self._add(tier, Status.PAID, 1, is_test=True, buyer_name="Test Order", buyer_email="office@example.org")

    def open_doors(self, event: Event) -> None:
        """Most guests of a night that is over came. A few scans were turned away."""
        orders = [order for order in self.orders if order.event == event]
        for order in orders:
            if self.ends[order.pk] == Status.PAID and self.random.random() < SHARE_THAT_CAME:
                self._let_in(order)
        self._turn_away(self.checkins[-1].order, "ALREADY_CHECKED_IN")
        self._turn_away(next(order for order in orders if self.ends[order.pk] == Status.CANCELLED), "NOT_PAID")

    def add_money_to_review(self) -> None:
        """Payments that a person must look at: one for an order that was cancelled before, one for no order."""
        late = next(order for order in self.orders if self.ends[order.pk] == Status.CANCELLED)
        self._add_payment(late, self.now - timedelta(days=2), needs_review=Payment.Review.LATE)
        stray = Payment(
            provider="webhook",
            reference=self._reference(),
            amount_minor=5500,
            currency="USD",
            needs_review=Payment.Review.UNKNOWN,
            created_at=self.now - timedelta(hours=30),
        )
        self.payments.append(stray)

    def _add(self, tier: TicketTier, status: str, quantity: int, **fields: Any) -> Order:
        order = self._order(tier, status, quantity, **fields)
        self.orders.append(order)
        self.ends[order.pk] = status
        if status in LIVE and not order.is_test:
            tier.sold += quantity
        return order

    def _order(self, tier: TicketTier, status: str, quantity: int, **fields: Any) -> Order:
        order_id = uuid.uuid4()
        created = self._order_time(tier, status)
        price = Decimal(tier.price)
        return Order(
            id=order_id,
            order_number=new_order_number(created),
            event=tier.event,
            tier=tier,
            quantity=quantity,
            unit_price=price,
            total_price=price * quantity,
            currency=tier.currency,
            qr_code_hash=codes.hash_code(codes.code_for(order_id, 1)),
            created_at=created,
            **{**self._guest(), **fields},
        )

    def _guest(self) -> dict[str, Any]:
        pick = self.random.choice
        first, last = pick(programme.FIRST_NAMES), pick(programme.LAST_NAMES)
        return {
            "buyer_name": f"{first} {last}",
            "buyer_email": address(first, last, self.random.randint(1, 99)),
            "buyer_phone": f"+502 5555 {self.random.randint(100, 199):04}",
            "buyer_country": pick(programme.COUNTRIES),
            "payment_method": pick(("card", "card", "card", "card", "transfer")),
            "referral_source": pick(programme.CHANNELS),
            "ip_address": f"203.0.113.{self.random.randint(1, 254)}",
            "user_agent": pick(programme.BROWSERS),
        }

    def _quantity(self, tier: TicketTier) -> int:
        return min(self.random.choice(QUANTITIES), tier.max_per_order)

    def _order_time(self, tier: TicketTier, status: str) -> datetime:
        end = min(filter(None, (self.now - timedelta(minutes=5), tier.event.starts_at, tier.sale_ends_at)))
        # Holds do not last for ever: what is still unpaid is of today.
        length = timedelta(hours=20) if status == Status.PENDING else LONGEST_SALE
        return self._between(max(filter(None, (end - length, tier.sale_starts_at))), end)

    def _between(self, start: datetime, end: datetime) -> datetime:
        return start + (end - start) * self.random.random()

    # --- What became of an order -----------------------------------------------------------------------------------

    def _close(self, order: Order) -> None:
        """Bring an order that was inserted as pending to where it stands now; refunds come in a second step."""
        if self.ends[order.pk] in PAID_ONCE:
            self._pay(order)
        elif self.ends[order.pk] == Status.CANCELLED:
            order.status = Status.CANCELLED
            # Nobody paid in time: it was closed by the worker's next look after its hold was over.
            order.hold_expires_at = min(order.created_at + timedelta(minutes=60), self.now)
            order.cancelled_at = min(order.hold_expires_at + timedelta(seconds=self.random.randint(1, 30)), self.now)
            self._note(order, order.cancelled_at, old=Status.PENDING, new=Status.CANCELLED)

    def _pay(self, order: Order) -> None:
        by_hand = order.payment_method == "transfer" or order.is_test
        minutes = self.random.randint(200, 1200) if by_hand else self.random.randint(1, 25)
        paid_at = min(order.created_at + timedelta(minutes=minutes), self.now)
        order.status = Status.PAID
        order.payment_confirmed_at = paid_at
        if order.total_price == 0:
            paid_at = order.payment_confirmed_at = order.created_at
            order.payment_provider, order.payment_reference = "free", order.order_number
        elif by_hand:
            order.payment_provider, order.payment_confirmed_by = "admin", self.admin
        else:
            order.payment_provider = "webhook"
            order.payment_reference = self._add_payment(order, paid_at).reference
        self._note(order, paid_at, old=Status.PENDING, new=Status.PAID, actor=order.payment_confirmed_by)
        if not order.is_test:
            self._mail(order, paid_at)

    def _refund(self, order: Order) -> None:
        order.status = Status.REFUNDED
        end = min(self.now, order.event.starts_at)
        order.refunded_at = self._between(order.payment_confirmed_at or end, end)
        self._note(order, order.refunded_at, old=Status.PAID, new=Status.REFUNDED, actor=self.admin)

    def _add_payment(self, order: Order, at: datetime, *, needs_review: str = "") -> Payment:
        payment = Payment(
            order=order,
            provider="webhook",
            reference=self._reference(),
            amount_minor=minor_units(order.total_price),
            currency=order.currency,
            payer_email=order.buyer_email,
            needs_review=needs_review,
            created_at=at,
        )
        self.payments.append(payment)
        return payment

    def _mail(self, order: Order, at: datetime) -> None:
        """Sent long ago: nothing here may be mailed now."""
        mail = OutboxEmail(
            order=order,
            email_type=OutboxEmail.Kind.TICKET,
            recipient_email=order.buyer_email,
            subject=f"🎫 Your Ticket: {order.event.name}",
            status=OutboxEmail.Status.SENT,
            attempts=1,
            created_at=at,
            next_attempt_at=at,
            last_attempt_at=at,
            sent_at=at,
        )
        self.mails.append(mail)

    def _let_in(self, order: Order) -> None:
        at = self._between(order.event.starts_at, order.event.starts_at + timedelta(hours=3))
        device = programme.BROWSERS[0]
        self.checkins.append(
            CheckIn(
                order=order,
                admitted=order.quantity,
                checked_in_at=at,
                checked_in_by=self.door,
                device_info=device,
            )
        )
        self._audit("CHECKIN", order, at, actor=self.door, new={"admitted": order.quantity})

    def _turn_away(self, order: Order, code: str) -> None:
        scan = RefusedScan(
            order=order,
            code=code,
            presented_hash=sha256(order.order_number.encode()).hexdigest(),
            scanned_by=self.door,
            device_info=programme.BROWSERS[0],
            scanned_at=order.event.starts_at + timedelta(hours=4),
        )
        self.refused.append(scan)

    def _note(self, order: Order, at: datetime, *, old: str, new: str, actor: User | None = None) -> None:
        change = {"status": new, "provider": order.payment_provider} if new == Status.PAID else {"status": new}
        self._audit("STATUS_CHANGE", order, at, actor=actor, old={"status": old}, new=change)

    def _audit(self, action: str, order: Order, at: datetime, *, actor: User | None, **values: Any) -> None:
        changes = {f"{name}_value": value for name, value in values.items()}
        row = AuditLog(action=action, entity_type="order", entity_id=order.pk, user=actor, created_at=at, **changes)
        self.audit.append(row)

    def _reference(self) -> str:
        return f"pay_{self.random.getrandbits(96):024x}"

    # --- Write -------------------------------------------------------------------------------------------------

    def write(self) -> None:
        """Insert everything, each order by the legal way from pending. Events and tiers must be saved already."""
        Order.objects.bulk_create(self.orders)
        for order in self.orders:
            self._close(order)
        Order.objects.bulk_update(self._ended(Status.CANCELLED, *PAID_ONCE), PAYMENT_FIELDS)
        refunded = self._ended(Status.REFUNDED)
        for order in refunded:
            self._refund(order)
        Order.objects.bulk_update(refunded, ["status", "refunded_at"])
        self._spoil_one_mail()
        journal = [entry for order in self.orders if not order.is_test for entry in _journal(order)]
        for rows in (self.payments, self.mails, self.checkins, self.refused, self.audit, journal):
            _insert(rows)

    def _ended(self, *statuses: str) -> list[Order]:
        return [order for order in self.orders if self.ends[order.pk] in statuses]

    def _spoil_one_mail(self) -> None:
        """So that the office sees what a mail that did not arrive looks like."""
        mail = self.mails[-1]
        mail.status, mail.sent_at = OutboxEmail.Status.FAILED, None
        mail.error_message = "550 5.1.1 The mailbox does not exist"


def address(first: str, last: str, number: int) -> str:
    """An address that nobody can own: example.com and example.org are reserved."""
    name = programme.plain(f"{first}.{last}").lower().replace(" ", "")
    return f"{name}{number}@example.{'com' if number % 2 else 'org'}"


def _journal(order: Order) -> Iterator[JournalEntry]:
    """The movements of seats and money that brought the order to its end."""
    kinds = JournalEntry.Kind
    yield _entry(order, kinds.RESERVED, order.created_at, seats=order.quantity)
    if order.payment_confirmed_at:
        yield _entry(order, kinds.SALE, order.payment_confirmed_at, amount=order.total_price)
    if order.refunded_at:
        yield _entry(order, kinds.REFUND, order.refunded_at, amount=-order.total_price)
    if left_at := order.cancelled_at or order.refunded_at:
        yield _entry(order, kinds.RELEASED, left_at, seats=-order.quantity)


def _entry(order: Order, kind: str, at: datetime, **moved: Any) -> JournalEntry:
    place = {"event_id": order.event_id, "tier_id": order.tier_id}
    return JournalEntry(order=order, kind=kind, currency=order.currency, created_at=at, **place, **moved)


def _insert(rows: Iterable[Any]) -> None:
    rows = list(rows)
    type(rows[0]).objects.bulk_create(rows)
