"""Mail to the staff: money, or a notice of it, waits for a person. One mail for each thing that waits."""

from datetime import timedelta
from typing import Any

from constance import config
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation

from homeproductions.mail import services as outbox
from homeproductions.mail.errors import NotWanted
from homeproductions.mail.models import EmailKind, OutboxEmail
from homeproductions.mail.registry import renders

from .models import Payment, WebhookDelivery

# Later than this a chargeback is lost unanswered (both providers; Recurrente counts calendar days).
DISPUTE_DEADLINE = timedelta(days=5)

# What the mail asks for, by reason.
ADVICE: dict[str, str] = {
    Payment.Review.LATE: "The order was closed before the money came. Accept it as a new order while there are "
    "seats left, or give the money back at the provider.",
    Payment.Review.DOUBLE: "The order is paid already. Give this payment back at the provider, unless it is the one "
    "that somebody marked by hand. Look there whether it is really a second one: a provider may tell of one payment "
    "under two ids.",
    Payment.Review.AMOUNT: "It was not booked. Assign it in spite of the difference, or give it back.",
    Payment.Review.UNKNOWN: "Nobody knows what it was for. Find the order and assign the payment to it, or give it "
    "back.",
    Payment.Review.REFUND_FIRST: "A refund came for a payment that is not booked here. When that arrives, both are "
    "settled without you.",
    Payment.Review.REFUND_INSIDE: "The order is refunded, but its guest was let in already. Their seats are not sold "
    "again.",
    Payment.Review.UNCLEAR: "It came in words that we do not know. Look at the provider whether money was taken; if "
    "so, assign it to its order or give it back.",
    Payment.Review.REFUND_DUE: "Give the money back at the provider. Its notice then takes this off the list.",
    Payment.Review.REFUND_FAILED: "The guest does not have the money. Give it back in another way, and then note it.",
    Payment.Review.PARTIAL: "The order stays paid and its ticket valid.",
    Payment.Review.DISPUTE: "Answer it at the provider with proof of the sale, or the money is lost. Once it is "
    "decided, note how: the ticket of a lost one is taken back.",
}


REFUND_AMOUNT = (
    "It does not say how much was given back, says it in another currency, or was more than the payment. Look at the "
    "provider. Note it as given back if all of it was: then the order is refunded."
)


def queue_for_payment(payment: Payment) -> None:
    """Tell the staff, in the transaction that made the payment wait. Call it once for a payment.

    Not as a mail of the order: a second alert of the same order would take the place of the first.
    """
    reason = payment.get_needs_review_display()
    _queue(f"Payment to look at: {reason}", {"payment": str(payment.pk)})


def queue_for_delivery(delivery: WebhookDelivery) -> None:
    """Tell the staff that a payment notice cannot be applied, whatever is tried."""
    _queue("A payment notice could not be applied", {"delivery": str(delivery.pk)})


def advice_for(payment: Payment) -> str:
    """What to do about a payment that waits, in words."""
    if payment.kind == Payment.Kind.REFUND and payment.needs_review == Payment.Review.AMOUNT:
        return REFUND_AMOUNT
    return ADVICE[payment.needs_review]


def dispute_deadline(payment: Payment) -> Any:
    """The last moment to answer a dispute; None for other payments."""
    return payment.created_at + DISPUTE_DEADLINE if payment.needs_review == Payment.Review.DISPUTE else None


@renders(EmailKind.STAFF_ALERT)
def render_alert(email: OutboxEmail) -> EmailMultiAlternatives:
    """What waits, and the page where to decide. Raises NotWanted when it was settled meanwhile."""
    is_payment = "payment" in email.context
    context = _of_payment(email) if is_payment else _of_delivery(email)
    message = EmailMultiAlternatives()
    # The texts are English, so the names of months must be, whatever language the process speaks.
    with translation.override("en"):
        message.body = render_to_string("emails/staff_alert.txt", context)
        message.attach_alternative(render_to_string("emails/staff_alert.html", context), "text/html")
    return message


def _queue(subject: str, context: dict[str, str]) -> None:
    recipient = str(config.staff_alert_email or config.contact_email)
    outbox.queue(EmailKind.STAFF_ALERT, recipient=recipient, subject=subject, context=context)


def _of_payment(email: OutboxEmail) -> dict[str, Any]:
    payment = Payment.objects.select_related("order").get(pk=email.context["payment"])
    if not payment.is_waiting:
        raise NotWanted("the payment was settled meanwhile")
    deadline = dispute_deadline(payment)
    return {
        **_common(),
        "heading": payment.get_needs_review_display().capitalize(),
        "amount": payment.amount_text,
        "what": payment.get_kind_display(),
        "order_number": payment.order.order_number if payment.order else "",
        "provider": payment.provider,
        "advice": advice_for(payment),
        "deadline": timezone.localtime(deadline) if deadline else None,
        "link": settings.PUBLIC_URL + reverse("admin:orders_payment_change", args=[payment.pk]),
    }


def _of_delivery(email: OutboxEmail) -> dict[str, Any]:
    delivery = WebhookDelivery.objects.get(pk=email.context["delivery"])
    if delivery.status != WebhookDelivery.Status.FAILED:
        raise NotWanted("the notice was applied meanwhile")
    return {
        **_common(),
        "heading": "A payment notice could not be applied",
        "provider": delivery.provider,
        "advice": "It is kept and tried again every hour. Please tell whoever looks after this system, and look at "
        "the provider whether a guest has paid.",
        "link": settings.PUBLIC_URL + reverse("admin:orders_webhookdelivery_change", args=[delivery.pk]),
    }


def _common() -> dict[str, Any]:
    return {"site_name": config.site_name}
