"""An order's own page: what state it is in, how to pay, and the ticket once it is paid.

The token in the address is the whole authority (links.py): whoever has it is the guest.
"""

from typing import Any

from csp.constants import SELF
from csp.decorators import csp_replace
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
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
from .models import CheckIn, Order
from .services import paying, tickets

Status = Order.Status
PRIVATE_HEADERS = {
    # The address is a key. It must not travel to the payment provider, nor into the logs of whoever serves our files.
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "Cross-Origin-Resource-Policy": "same-origin",
}
TITLES = {
    "pending": "Waiting for your payment",
    "late": "The time to pay is over",
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
        return show(request, self.order)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Open a payment page for an order that has none, or whose page is no longer there."""
        if not paying.can_be_paid(self.order) or not paying.is_configured():
            return HttpResponseRedirect(request.path)
        throttles.count_pay(request, self.order.pk)
        if not paying.start(self.order):
            return show(request, self.order, status=503, notice=NOT_OPENED)
        return HttpResponseRedirect(request.path, status=303)


class TicketPicture(OrderLink):
    """The QR code of a ticket that still lets somebody in; 404 otherwise."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        if state_of(self.order, checkin_of(self.order)) != "ticket":
            raise OrderNotFound
        code = tickets.current_code(self.order)
        return HttpResponse(tickets.qr_png(tickets.qr_payload(self.order, code)), content_type="image/png")


def show(request: HttpRequest, order: Order, *, status: int = 200, notice: str = "") -> HttpResponse:
    checkin = checkin_of(order)
    state = state_of(order, checkin)
    context = {
        **mails.order_context(order),
        "title": TITLES[state],
        "state": state,
        "notice": notice,
        "checkin": checkin,
        "code": tickets.current_code(order) if state == "ticket" else "",
        "can_open_page": paying.is_configured(),
        "payment_link": links.payment_link(order),
        **waiting_for_notice(request, state),
    }
    return render(request, "public/order.html", context, status=status)


def state_of(order: Order, checkin: CheckIn | None) -> str:
    """The word for what the guest should see, one of TITLES."""
    is_off = order.event.status in (Event.Status.CANCELLED, Event.Status.DELETED)
    match order.status:
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
    response = render(request, "public/order.html", {"title": title, "text": text}, status=refusal.status)
    usage = throttles.noted(request)
    if refusal.status == 429 and usage:
        response.headers["Retry-After"] = str(usage.reset)
    return response
