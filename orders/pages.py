"""An order's own page: what state it is in, how to pay, and the ticket once it is paid.

The token in the address is the whole authority (links.py): whoever has it is the guest.
"""

from decimal import Decimal
from typing import Any
from uuid import UUID

from csp.constants import SELF
from csp.decorators import csp_replace
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from events.models import Event
from homeproductions import throttles
from homeproductions.errors import RateLimited, Refused

from . import links, mails
from .errors import OrderNotFound
from .models import CheckIn, JournalEntry, Order, Payment
from .places import IS_WAITING, Place, waiting_charges, with_place
from .services import paying, tickets

Status = Order.Status
CLOSED = (Status.CANCELLED, Status.REFUNDED)
PRIVATE_HEADERS = {
    # The address is a key. It must not travel to the payment provider, nor into the logs of whoever serves our files.
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "Cross-Origin-Resource-Policy": "same-origin",
}
TITLES = {
    "pending": "Waiting for your payment",
    "late": "The time to pay is over",
    "under_review": "Your payment has arrived",
    "ticket": "Your ticket",
    "inside": "Welcome!",
    "off": "This event was cancelled",
    "expired": "This order has expired",
    "cancelled": "This order was cancelled",
    "refunded": "This order was refunded",
}
NO_LINK = (
    "This link does not work",
    "There is no order behind it. Please open the link in our mail once more, or copy all of it.",
)
TOO_OFTEN = ("One moment, please", "There were too many tries. Please wait a few minutes and try again.")
BUSY = ("Not available right now", "Please try again in a minute.")
NOT_OPENED = "The payment page could not be opened. Nothing was charged; please try again in a minute."
# After paying, the guest is back before the notice of the payment is here: look again, but not for ever.
LOOK_AGAIN_SECONDS = 5
LOOKS = 24


# No cookie or session counts here, so a forged request from another site gains nothing, and it would need the token.
@method_decorator([csrf_exempt, never_cache, csp_replace({"img-src": [SELF, "data:"]})], name="dispatch")
class OrderLink(View):
    """A page behind the link of an order. What goes wrong is said on a page, with the status of the refusal."""

    http_method_names = ["get", "head", "post"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            response = self.answer(request, *args, **kwargs)
        except Refused as refusal:
            response = refuse(request, refusal)
        for name, value in PRIVATE_HEADERS.items():
            response.headers[name] = value
        return response

    def answer(self, request: HttpRequest, token: str) -> HttpResponseBase:
        if not throttles.PublicReads().allow_request(request, self):
            raise RateLimited
        try:
            self.order = links.order_of(token)
        except OrderNotFound:
            throttles.count_page_miss(request)
            raise
        return super().dispatch(request)


class OrderPage(OrderLink):
    def get(self, request: HttpRequest) -> HttpResponse:
        successor = successor_of(self.order)
        if successor is not None:
            return HttpResponseRedirect(reverse(links.PAGE, args=[links.token_of(successor)]))
        return show(request, self.order)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Open a payment page for an order that has none, or whose page is no longer there. Not for one whose money
        is here already and waits for a person: its guest would pay twice."""
        if not paying.can_be_paid(self.order) or not paying.is_configured() or money_waits(self.order):
            return HttpResponseRedirect(request.path)
        throttles.count_pay(request, self.order.pk)
        if not paying.start(self.order):
            return show(request, self.order, status=503, notice=NOT_OPENED)
        return HttpResponseRedirect(request.path, status=303)


class TicketPicture(OrderLink):
    """The QR code of a ticket that still lets somebody in; 404 otherwise, also when another order took its place: a
    kept address of a picture must not turn into another ticket."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        if state_of(self.order, checkin_of(self.order), is_waiting=False) != "ticket":
            raise OrderNotFound
        code = tickets.current_code(self.order)
        return HttpResponse(tickets.qr_png(tickets.qr_payload(self.order, code)), content_type="image/png")


def show(request: HttpRequest, order: Order, *, status: int = 200, notice: str = "") -> HttpResponse:
    checkin = checkin_of(order)
    is_waiting = money_waits(order)
    state = state_of(order, checkin, is_waiting=is_waiting)
    context = {
        **mails.order_context(order),
        "title": TITLES[state],
        "state": state,
        "notice": notice,
        "checkin": checkin,
        "money_waits": is_waiting,
        "has_second_payment": is_waiting and state in ("ticket", "inside"),
        "money_back": money_back(order) if order.status in CLOSED and not is_waiting else "",
        "parts_back": parts_back(order) if order.status == Status.PAID else {},
        "code": tickets.current_code(order) if state == "ticket" else "",
        "can_open_page": paying.is_configured(),
        "payment_link": links.payment_link(order),
        **waiting_for_notice(request, state),
    }
    return render(request, "public/order.html", context, status=status)


def state_of(order: Order, checkin: CheckIn | None, *, is_waiting: bool) -> str:
    """The word for what the guest should see, one of TITLES. `is_waiting`: money for the order waits for a person,
    which says more about it than its status, unless the ticket is there."""
    is_off = order.event.status in (Event.Status.CANCELLED, Event.Status.DELETED)
    match order.status:
        case Status.PENDING | Status.CANCELLED | Status.REFUNDED if is_waiting:
            return "off" if is_off else "under_review"
        case Status.REFUNDED:
            return "refunded"
        case Status.CANCELLED:
            return "expired" if ran_out(order) else "cancelled"
        case _ if is_off:
            return "off"
        case Status.PAID:
            return "inside" if checkin else "ticket"
    return "late" if order.hold_expires_at and order.hold_expires_at <= timezone.now() else "pending"


def ran_out(order: Order) -> bool:
    """Whether a cancelled order was given up because nobody paid in time."""
    return bool(order.hold_expires_at and order.cancelled_at and order.cancelled_at >= order.hold_expires_at)


def successor_of(order: Order) -> Order | None:
    """The order that was made in place of a closed one; of several the newest, which alone can still be good. It may
    have been refunded and replaced itself; its own page then leads on. That comes to an end, for an order only ever
    takes the place of one that was there before it."""
    return order.successors.order_by("-created_at").first() if order.status in CLOSED else None


def money_waits(order: Order) -> bool:
    """Whether money that came for the order waits for a person."""
    return waiting_charges().filter(order__in=_line_of(order)).exists()


def money_back(order: Order) -> str:
    """For a closed order: `returned` when the money that came for it went back to its payer, `failed` when that did
    not work and a person sees to it."""
    money = Payment.objects.filter(order__in=_line_of(order))
    if money.filter(IS_WAITING, needs_review=Payment.Review.REFUND_FAILED).exists():
        return "failed"
    is_returned = with_place(money.filter(kind=Payment.Kind.CHARGE)).filter(place=Place.RETURNED).exists()
    return "returned" if is_returned else ""


def parts_back(order: Order) -> dict[str, Decimal]:
    """What was given back of an order that is still good, by currency."""
    refunds = order.journal.filter(kind=JournalEntry.Kind.REFUND).order_by().values_list("currency")
    return {currency: -amount for currency, amount in refunds.annotate(Sum("amount")) if amount}


def _line_of(order: Order) -> list[UUID]:
    """The order and those before it in whose place it was made: their links lead here, and so does word of their
    money."""
    line = [order.pk]
    while order.replaces is not None:
        order = order.replaces
        line.append(order.pk)
    return line


def checkin_of(order: Order) -> CheckIn | None:
    return CheckIn.objects.filter(order=order).first()


def waiting_for_notice(request: HttpRequest, state: str) -> dict[str, Any]:
    """For a guest who comes back from paying: whether to say so, and the address of the next look (a page that
    looks again for as long as it is open would do so all night)."""
    text = request.GET.get("paid", "")
    look = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0
    if not look or state not in ("pending", "late"):
        return {"has_paid": False}
    return {
        "has_paid": True,
        "refresh": f"{LOOK_AGAIN_SECONDS};url=?paid={look + 1}" if look < LOOKS else "",
    }


def refuse(request: HttpRequest, refusal: Refused) -> HttpResponse:
    title, text = {404: NO_LINK, 429: TOO_OFTEN, 503: BUSY}.get(refusal.status, ("Sorry", str(refusal)))
    return render(request, "public/order.html", {"title": title, "text": text}, status=refusal.status)
