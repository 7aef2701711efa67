"""Pays an order of the demo the way a payment provider would: with a signed notice to the webhook."""

import http.client
import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse
from django.utils import timezone

from homeproductions.errors import Refused
from homeproductions.mail.models import OutboxEmail
from homeproductions.management.demo import notice
from orders.models import Order, Payment
from orders.queries import find_by_number

WEBHOOK = "/api/webhook/payment"
PATIENCE = 30  # seconds for the mail; the worker of the demo looks every two


class Command(BaseCommand):
    help = (
        "Pay an order of the demo: sign a payment notice, post it to the webhook, wait for the ticket mail. "
        "The mail's file is the only thing written to the standard output; or, when the order could not be paid any "
        "more, the address where the money waits for a person."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("number", metavar="NUMBER", help="order number, as in HP261123-4K7Q0ZPA")
        parser.add_argument(
            "--url", default=f"http://127.0.0.1:{settings.PORT}", help="where the web server is (%(default)s)"
        )

    def handle(self, *, number: str, url: str, **options: Any) -> None:
        order = find(number)
        self.stderr.write(f"Paying {order.total_price} {order.currency} for order {order.order_number}")
        body = notice.paid(order)
        status, answer = post(url.rstrip("/") + WEBHOOK, body)
        self.stderr.write(f"The webhook answers {status} {answer}")
        payment = Payment.objects.filter(reference=json.loads(body)["data"]["id"]).first()
        if payment and payment.is_waiting:
            self.stderr.write("The order stays as it is, and the money waits for a person here:")
            self.stdout.write(settings.PUBLIC_URL + reverse("admin:orders_payment_change", args=[payment.pk]))
        elif payment:
            self.stderr.write("Waiting for the ticket mail")
            self.stdout.write(str(wait_for_mail(order)))
        else:
            raise CommandError("The notice did not pay the order.")


def find(number: str) -> Order:
    try:
        return find_by_number(number)
    except Refused as refusal:
        raise CommandError(f"There is no order {number!r} in the database of the demo.") from refusal


def post(url: str, body: bytes) -> tuple[int, str]:
    """Status and text of the answer to a signed notice. Raises CommandError when there is no answer."""
    if not settings.PAYMENT_WEBHOOK_SECRETS:
        raise CommandError("PAYMENT_WEBHOOK_SECRETS is not set, so there is nothing to sign with.")
    secret = settings.PAYMENT_WEBHOOK_SECRETS[0]
    headers = notice.signed_headers(secret, notice.new_event_id(), body, at=timezone.now())
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 (an address given by its user)
    # No proxy: the server is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise CommandError(f"Nothing answers at {url} ({reason}). Is the demo running?") from error


def wait_for_mail(order: Order) -> Path:
    """The file of the order's ticket mail, once the worker has written it."""
    if not settings.EMAIL_FOLDER:
        raise CommandError("EMAIL_FOLDER is not set, so mails are not kept as files.")
    deadline, mail = time.monotonic() + PATIENCE, None
    while time.monotonic() < deadline:
        mail = OutboxEmail.objects.filter(order=order, email_type=OutboxEmail.Kind.TICKET).first()
        if mail and mail.status == OutboxEmail.Status.SENT:
            return next(Path(settings.EMAIL_FOLDER).glob(f"*-{mail.pk}.eml"))
        if mail and mail.status == OutboxEmail.Status.FAILED:
            raise CommandError(f"The ticket mail failed: {mail.error_message}")
        time.sleep(0.2)
    if mail and mail.error_message:
        raise CommandError(f"The order is paid. Its mail will be tried again: {mail.error_message}")
    raise CommandError(f"The order is paid, but no mail came within {PATIENCE} seconds. Is the outbox worker running?")
