"""What the demo prints once it runs: where to look, who may sign in, and a sequence to paste."""

import json
import sys
from pathlib import Path
from shlex import quote
from urllib.request import getproxies

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from events.models import Event, TicketTier
from events.services.seats import check_on_sale
from homeproductions.embedded_postgres import CHECKOUT
from homeproductions.errors import Refused
from orders.models import Order

from .staff import LOGINS

RULE = "-" * 8 + "{}" + "-" * 8
BEGIN, END = RULE.format(" from here "), RULE.format(" to here ")
ADDRESSES = {
    "/": "front page",
    "/api/docs": "the API, to read and to try",
    "/admin/": "the office: nights, orders, money, mails, door lists, staff, settings",
    "/api/events": "what is on sale, as JSON",
    "/api/gallery": "albums with pictures",
    "/health": "whether this instance can sell",
}
ROLES = {"superadmin": "everything", "admin": "the office", "door": "the door"}
TICKETS_TO_BUY = 2

LIST_EVENTS = (
    'import json, sys; [print(e["date"][:10], e["name"], "-", ", ".join(t["name"] for t in e["tiers"]))'
    ' for e in json.load(sys.stdin)["events"]]'
)
ORDER_NUMBER = 'import json, sys; print(json.load(sys.stdin)["order"]["orderNumber"])'
ACCESS_TOKEN = 'import json, sys; print(json.load(sys.stdin)["accessToken"])'
SCAN = 'import json, sys; print(json.dumps({"qrCode": sys.argv[1]}))'


def instructions(*, passwords: dict[str, str], folder: Path) -> str:
    """Everything at once, so that nothing else comes between its lines."""
    lines = [
        "",
        "Home Productions is running. Ctrl-C stops it. `make demo` goes on with the same data,",
        "`make demo-reset` clears it.",
        "",
        *(f"  {local_url()}{path:13} {what}" for path, what in ADDRESSES.items()),
        "",
        "Staff logins",
        *(f"  {LOGINS[key][0]:24} {password:16} {ROLES[key]}" for key, password in passwords.items()),
        "",
        f"Mails are files in   {settings.EMAIL_FOLDER}{_also_sent()}",
        f"Logs                 {folder / 'web.log'}",
        f"                     {folder / 'worker.log'}",
        "",
        "A shop front may sell as well, with the one of docs/example-shop (docs/api.md says how to serve it) at",
        *(f"  {origin}/?api={local_url()}" for origin in settings.CORS_ALLOWED_ORIGINS),
        "",
        *_sequence(passwords["door"]),
        *_late_payment(passwords["admin"]),
    ]
    return "\n".join(lines)


def local_url() -> str:
    return f"http://127.0.0.1:{settings.PORT}"


def _also_sent() -> str:
    way = settings.EMAIL_HOST or settings.EMAIL_PROVIDER
    return f" and leave through {way}" if way else ""


def _sequence(password: str) -> list[str]:
    tier = _tier_to_buy()
    if tier is None:
        return ["The season of this demo is over: nothing is on sale. `make demo-reset` makes room for a new one."]
    return [
        "Buy two tickets, pay, get the mail, enter once, be refused the second time. The guest sees all of that at the",
        "`orderUrl` which the order is answered with.",
        "Paste this into another terminal (bash):",
        "",
        BEGIN,
        *paste(tier, password),
        END,
        "",
    ]


def _late_payment(password: str) -> list[str]:
    order, python = _order_to_pay_late(), interpreter()
    if order is None:
        return []
    return [
        f"Pay too late: order {order.order_number} expired, and its seats went back on sale.",
        "",
        BEGIN,
        f"cd {quote(str(CHECKOUT))}",
        f"{python} manage.py demo_pay {order.order_number}",
        f"{python} manage.py doctor --only books money",
        END,
        "",
        "Open the address that comes out, sign in as",
        f"  {LOGINS['admin'][0]:24} {password}",
        'and choose "Accept as a new order": its ticket is in the newest file of the mails. Such money is listed at',
        f"{local_url()}/admin/money/",
        "",
    ]


def paste(tier: TicketTier, password: str) -> list[str]:
    """Shell lines with nothing that bash treats differently when it is pasted: no comments, no `!`, no prompts."""
    python = interpreter()
    send = "curl -sS -H 'Content-Type: application/json'"
    order = {
        "eventId": str(tier.event_id),
        "tierId": str(tier.pk),
        "quantity": TICKETS_TO_BUY,
        "buyerName": "Ana Demo",
        "buyerEmail": "ana.demo@example.com",
    }
    login = {"email": LOGINS["door"][0], "password": password}
    scan = (
        f"""{send} -w ' -> HTTP %{{http_code}}\\n' -H "Authorization: Bearer $TOKEN" """
        f"""-d "$({python} -c {quote(SCAN)} "$TICKET")" "$URL/api/checkin\""""
    )
    return [
        f"cd {quote(str(CHECKOUT))}",
        # curl would ask a proxy for an address of this machine.
        *(["export no_proxy=127.0.0.1"] if getproxies() else []),
        f"URL={local_url()}",
        f'curl -sS "$URL/api/events" | {python} -c {quote(LIST_EVENTS)}',
        f'ORDER=$({send} -d {quote(json.dumps(order))} "$URL/api/orders"); echo "$ORDER"',
        f'NUMBER=$(echo "$ORDER" | {python} -c {quote(ORDER_NUMBER)}); echo "Order $NUMBER"',
        f'MAIL=$({python} manage.py demo_pay "$NUMBER"); echo "Mail $MAIL"',
        f'TICKET=$({python} -m homeproductions.management.demo.read_ticket "$MAIL"); echo "QR code $TICKET"',
        f'TOKEN=$({send} -d {quote(json.dumps(login))} "$URL/api/auth/login" | {python} -c {quote(ACCESS_TOKEN)})',
        f"scan() {{ {scan}; }}",
        "scan",
        "scan",
    ]


def interpreter() -> str:
    """The interpreter that runs this, relative to the checkout if it lies there."""
    path = Path(sys.executable)
    return quote(str(path.relative_to(CHECKOUT) if path.is_relative_to(CHECKOUT) else path))


def _tier_to_buy() -> TicketTier | None:
    """The first tier with a price that is on sale, of the nearest night; free ones need no payment."""
    tiers = TicketTier.objects.select_related("event").filter(price__gt=0, event__status=Event.Status.ACTIVE)
    for tier in tiers.order_by("event__event_date", "sort_order"):
        try:
            check_on_sale(tier, TICKETS_TO_BUY, now=timezone.now())
        except Refused:
            continue
        return tier
    return None


def _order_to_pay_late() -> Order | None:
    """The order that expired last without any payment, of a night that still has seats for it."""
    expired = Order.objects.filter(status=Order.Status.CANCELLED, hold_expires_at__lte=F("cancelled_at"))
    unpaid = expired.filter(total_price__gt=0, is_test=False, payments=None)
    for order in unpaid.select_related("tier__event").order_by("-cancelled_at"):
        try:
            check_on_sale(order.tier, order.quantity, now=timezone.now())
        except Refused:
            continue
        return order
    return None
