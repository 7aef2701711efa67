"""What happened to an order, oldest first, and by whom: read from the audit, the outbox, the door and the payments."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from audit.models import AuditLog
from homeproductions.mail.models import OutboxEmail
from orders.models import Order, Payment
from orders.services.checkin import REFUSALS

from .words import content, paid_by, people

Mail, Status = OutboxEmail.Kind, OutboxEmail.Status
MAILS: dict[str, str] = {
    Mail.TICKET: "Ticket",
    Mail.CONFIRMATION: "Request to pay",
    Mail.REFUND: "Word of the refund",
    Mail.HOLD_EXPIRED: "Word that the hold is over",
}
# By whether the address was corrected; None: it stayed.
TO = {True: "to a corrected address", False: "to the address that the guest typed", None: ""}
GUEST, SYSTEM = "the guest", "the system"


@dataclass(frozen=True)
class Moment:
    """`tone` is good, bad or nothing special; `payment` the one to look at."""

    at: datetime
    what: str
    by: str = ""
    detail: str = ""
    tone: str = ""
    payment: Payment | None = None


def of(order: Order, *, with_contacts: bool) -> list[Moment]:
    """Everything that is known of the order; addresses and what people noted only for those who may see them."""
    logs = list(_logs(order))
    moments = [
        _placed(order, logs),
        *_audited(order, logs),
        *_mailed(order, with_contacts),
        *_turned_away(order),
        *_paid(order, with_contacts),
        *_replaced(order),
    ]
    if not any(log.action == "CHECKIN" for log in logs):
        moments += _let_in(order)
    return sorted(moments, key=lambda moment: moment.at)


def _logs(order: Order) -> Any:
    logs = AuditLog.objects.filter(entity_type="order", entity_id=order.pk)
    return logs.select_related("user").order_by("created_at")


def _name(user: Any) -> str:
    return user.name or user.email if user is not None else SYSTEM


def _placed(order: Order, logs: list[AuditLog]) -> Moment:
    maker = next((log.user for log in logs if log.action == "CREATE"), None)
    if order.replaces is not None:
        number = order.replaces.order_number
        return Moment(order.created_at, "Made in place of another order", SYSTEM, f"{content(order)}; before: {number}")
    by = _name(maker) if maker else SYSTEM if order.is_test else GUEST
    return Moment(order.created_at, "Placed", by, content(order))


def _audited(order: Order, logs: list[AuditLog]) -> Iterator[Moment]:
    for log in logs:
        if log.action != "CREATE":
            what, detail, tone = _said(order, log)
            yield Moment(log.created_at, what, _name(log.user), detail, tone)


def _said(order: Order, log: AuditLog) -> tuple[str, str, str]:
    old, new = log.old_value or {}, log.new_value or {}
    match log.action, new.get("status"):
        case "STATUS_CHANGE", "paid":
            return "Paid", paid_by(order), "good"
        case "STATUS_CHANGE", status:
            return str(status).capitalize(), str(new.get("reason", "")), "bad"
        case "CHECKIN", _:
            more = new.get("admitted", order.quantity) - old.get("admitted", 0)
            detail = f"{people(more)}, {new['admitted']} in all" if old else people(more)
            return "Let in", detail, "good"
        case "RESEND_EMAIL", _:
            return "Ticket to be mailed again", TO[new.get("is_corrected")], ""
        case "PREVIEW", _:
            return "Ticket shown on the screen", "", ""
        case "FORGET", _:
            why = "asked to be" if new.get("asked") else f"{new.get('days')} days after the night"
            return "Guest forgotten", why, ""
        case "CODE_REISSUED", _:
            return "New ticket code", "the one before admits nobody any more", ""
        case "HOLD_POSTPONED", _:
            return "Hold extended", f"the payment page at the provider is {new.get('answer', 'unknown')}", ""
    return log.action.replace("_", " ").capitalize(), "", ""


def _mailed(order: Order, with_contacts: bool) -> Iterator[Moment]:
    for mail in order.emails.all():
        what = MAILS.get(mail.email_type, mail.email_type.replace("_", " ").capitalize())
        to = f"to {mail.recipient_email}" if with_contacts else ""
        why = f"{to}: {mail.error_message}" if with_contacts else ""
        if mail.closed_at is not None:
            continue  # nobody wanted it any more, and nobody got it
        if mail.status == Status.SENT and mail.sent_at is not None:
            yield Moment(mail.sent_at, f"{what} mailed", SYSTEM, to, "good")
        elif mail.status == Status.FAILED:
            yield Moment(mail.last_attempt_at or mail.created_at, f"{what} could not be mailed", SYSTEM, why, "bad")
        else:
            yield Moment(mail.created_at, f"{what} waits to be mailed", SYSTEM, why if mail.error_message else to)


def _let_in(order: Order) -> Iterator[Moment]:
    for checkin in order.checkins.select_related("checked_in_by"):
        yield Moment(checkin.checked_in_at, "Let in", _name(checkin.checked_in_by), people(checkin.admitted), "good")


def _turned_away(order: Order) -> Iterator[Moment]:
    for scan in order.refused_scans.select_related("scanned_by"):
        why = REFUSALS[scan.code].message if scan.code in REFUSALS else scan.code
        yield Moment(scan.scanned_at, "Turned away at the door", _name(scan.scanned_by), why, "bad")


def _paid(order: Order, with_contacts: bool) -> Iterator[Moment]:
    for payment in order.payments.select_related("reviewed_by"):
        amount = f"{payment.amount_text} through {payment.provider}"
        why = f"; {payment.get_needs_review_display()}" if payment.needs_review else ""
        tone = "bad" if payment.is_waiting else ""
        shown = payment if with_contacts else None
        is_due = payment.is_waiting and payment.needs_review == Payment.Review.REFUND_DUE
        said = "Money to be given back" if is_due else payment.get_kind_display().capitalize()
        yield Moment(payment.created_at, said, payment.provider, amount + why, tone, shown)
        if payment.reviewed_at is not None:
            note = f"{amount}. {payment.outcome_note}" if with_contacts else amount
            by = _name(payment.reviewed_by)
            yield Moment(payment.reviewed_at, f"Payment: {payment.get_outcome_display()}", by, note, "", shown)


def _replaced(order: Order) -> Iterator[Moment]:
    for successor in order.successors.all():
        detail = f"by {successor.order_number}, for money that came late"
        yield Moment(successor.created_at, "Replaced", SYSTEM, detail)
