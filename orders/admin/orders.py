"""Orders: what the office looks at all day. Their content is a guest's word and is never edited; what may be done is a
step. Door staff see neither addresses nor telephone numbers, and cannot find orders by them."""

import base64
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from audit.services import record
from homeproductions.mail.models import OutboxEmail
from homeproductions.office.rows import filled
from homeproductions.office.screens import ReadOnly
from orders import links, queries, search
from orders.errors import EventOff
from orders.models import Order
from orders.services import checkin, tickets

from . import box_office, filters, order_steps, timeline
from .words import moment, money, night, night_lines, order_url, paid_by, pill, ticket_url

# Who may see how to reach a guest, and where they came from.
CONTACTS = "orders.change_order"
FILTERS = (
    filters.NightFilter,
    filters.TierFilter,
    filters.StatusFilter,
    filters.DayFilter,
    filters.PaidByFilter,
    filters.InsideFilter,
    filters.MailFilter,
    filters.HoldFilter,
    filters.TestFilter,
)
# What the list can be filtered by, and a file cannot.
NOT_IN_FILES = {
    "tier": "tier",
    "paid_by": "paid by",
    "inside": "checked in",
    "mail": "ticket mail",
    "holds": "hold",
    "test": "test orders",
    "q": "search",
}
ORIGIN = "Where it came from"
WHAT = ("state", "night", "tickets", "total", "door", "not_yet", "hold", "test_order", "in_place_of")
PARTS_FOR_THE_DOOR = ((None, (*WHAT, "buyer_name")),)
PARTS = (
    (None, WHAT),
    (
        "Guest",
        (
            "buyer_name",
            "buyer_email",
            "corrected_email",
            "ticket_went_to",
            "buyer_phone",
            "buyer_country",
            "buyer_nationality",
        ),
    ),
    ("Payment", ("paid", "payment_method", "payment_reference", "confirmed", "checkout", "payment_page")),
    (ORIGIN, ("referral_source", "ip_address", "user_agent", "code_version", "page")),
)
MAIL_WORDS = {"sent": "sent", "pending": "on its way", "processing": "on its way", "failed": "failed"}


@admin.register(Order)
class OrderAdmin(ReadOnly):
    steps = order_steps.STEPS
    list_steps = box_office.STEPS
    change_form_template = "admin/orders/order.html"
    list_display = ("guest", "state", "when", "tickets", "total", "paid", "mail", "door", "placed")
    list_display_links = ("guest",)
    list_filter = FILTERS
    search_fields = ("order_number",)  # there is a search; get_search_results says how
    sortable_by = ()

    class Media:
        css = {"all": ["office/orders.css"]}

    # --- List ---------------------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        return queries.listed().select_related("event", "tier", "replaces", "payment_confirmed_by")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("-created_at", "-id")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Order], search_term: str
    ) -> tuple[QuerySet[Order], bool]:
        if not search_term.strip():
            return queryset, False
        return search.find(queryset, search_term, with_contacts=_sees_contacts(request)), False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        page: Any = super().get_changelist_instance(request)
        found_by = "number, name, e-mail or telephone" if _sees_contacts(request) else "number or name"
        page.search_help_text = f"Search by {found_by}"
        return page

    @admin.display
    def guest(self, order: Order) -> SafeString:
        return format_html('{}<br><span class="quiet-line">{}</span>', order.buyer_name, order.order_number)

    @admin.display(description="Status")
    def state(self, order: Order) -> SafeString:
        return format_html("{}{}", pill(order.status), format_html(" {}", pill("test")) if order.is_test else "")

    @admin.display(description="Event")
    def night(self, order: Order) -> str:
        return night(order.event)

    @admin.display(description="Event")
    def when(self, order: Order) -> SafeString:
        return night_lines(order.event)

    @admin.display
    def placed(self, order: Order) -> str:
        return moment(order.created_at)

    @admin.display
    def tickets(self, order: Order) -> str:
        return f"{order.quantity} x {order.tier.name}"

    @admin.display
    def total(self, order: Order) -> str:
        return money(order)

    @admin.display(description="Paid by")
    def paid(self, order: Order) -> str:
        return paid_by(order)

    @admin.display(description="Ticket mail")
    def mail(self, order: Any) -> str:
        return MAIL_WORDS.get(order.email_status or "", "-")

    @admin.display(description="Inside")
    def door(self, order: Any) -> str:
        return f"{order.admitted} of {order.quantity}" if order.admitted else "-"

    @admin.display(description="Check-in")
    def not_yet(self, order: Order) -> str:
        is_waiting = order.status == Order.Status.PAID and not order_steps.is_off(order)
        return checkin.why_nobody_yet(order.event) or "-" if is_waiting else "-"

    # --- One order ----------------------------------------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """What is known of the order; what it does not have takes no room."""
        parts = PARTS if _sees_contacts(request) else PARTS_FOR_THE_DOOR
        return [
            (heading, {"fields": filled(self, obj, names), "classes": ("collapse",) if heading == ORIGIN else ()})
            for heading, names in parts
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [name for _, options in self.get_fieldsets(request, obj) for name in options["fields"]]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        order = self.get_object(request, object_id)
        context = {} if order is None else self._beside(request, order)
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def _beside(self, request: HttpRequest, order: Order) -> dict[str, Any]:
        user: Any = request.user
        return {
            "title": f"Order {order}",
            "subtitle": None,
            "timeline": timeline.of(order, with_contacts=_sees_contacts(request)),
            "sees_payments": user.has_perm("orders.view_payment"),
            "sees_audit": user.has_perm("audit.view_auditlog"),
        }

    def as_it_is(self, row: Any) -> str:
        return f"Order {row} is {row.status}" + (", its guest forgotten" if row.forgotten_at else "")

    def offered(self, request: HttpRequest, row: Any) -> list[dict[str, Any]]:
        buttons = super().offered(request, row)
        if row is None:
            return buttons + _export(request)
        if row.status == Order.Status.PAID and not order_steps.is_off(row) and _sees_contacts(request):
            at = 1 if order_steps.is_welcome(row) else 0  # behind the check-in
            buttons.insert(at, {"url": ticket_url(row), "label": "Show the ticket", "is_danger": False})
        return buttons

    @admin.display(description="Hold ends")
    def hold(self, order: Order) -> str:
        return moment(order.hold_expires_at) if order.status == Order.Status.PENDING else "-"

    @admin.display(description="Test order")
    def test_order(self, order: Order) -> str:
        return "takes no seats and earns nothing" if order.is_test else "-"

    @admin.display(description="In place of")
    def in_place_of(self, order: Order) -> SafeString | str:
        old = order.replaces
        return format_html('<a href="{}">{}</a>', order_url(old), old.order_number) if old else "-"

    @admin.display(description="Ticket mailed to")
    def ticket_went_to(self, order: Order) -> str:
        """Every address that got this ticket, or is about to."""
        mails = order.emails.filter(email_type=OutboxEmail.Kind.TICKET, closed_at=None).order_by("created_at")
        return "; ".join(f"{mail.recipient_email} ({MAIL_WORDS[mail.status]})" for mail in mails) or "-"

    @admin.display(description="Paid at")
    def confirmed(self, order: Order) -> str:
        by = f" by {order.payment_confirmed_by}" if order.payment_confirmed_by else ""
        return f"{moment(order.payment_confirmed_at)}{by}" if order.payment_confirmed_at else "-"

    @admin.display(description="Checkout at the provider")
    def checkout(self, order: Order) -> str:
        return f"{order.checkout_provider} {order.checkout_reference}" if order.checkout_reference else "-"

    @admin.display(description="Payment page")
    def payment_page(self, order: Order) -> SafeString | str:
        url = order.checkout_url if order.status == Order.Status.PENDING else None
        return format_html('<a href="{0}" rel="noreferrer noopener">{0}</a>', url) if url else "-"

    @admin.display(description="The guest's page")
    def page(self, order: Order) -> SafeString:
        # Whoever has this link is the guest, so it is there to be sent, not to be clicked by mistake.
        return format_html('<a href="{0}" rel="noreferrer noopener">{0}</a>', links.order_url(order))

    # --- The ticket on the screen ---------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.ticket_page)
        return [path("<uuid:order_id>/ticket/", page, name="orders_order_ticket"), *super().get_urls()]

    def ticket_page(self, request: HttpRequest, order_id: Any) -> HttpResponse:
        """For somebody who left no address: they photograph it, or it is printed."""
        if not _sees_contacts(request):
            raise PermissionDenied
        order = self.get_object(request, str(order_id))
        if order is None:
            raise Http404
        if order.status != Order.Status.PAID:
            self.message_user(request, f"Order {order} is {order.status}; only a paid one has a ticket.", "error")
            return HttpResponseRedirect(order_url(order))
        if order_steps.is_off(order):
            self.message_user(request, f"Order {order}: {EventOff.message}", "error")
            return HttpResponseRedirect(order_url(order))
        # A ticket that can be seen can be used.
        record("PREVIEW", order, actor=request.user, new={"type": "ticket"})  # type: ignore[arg-type]
        code = tickets.current_code(order)
        picture = base64.b64encode(tickets.qr_png(tickets.qr_payload(order, code))).decode()
        context = {
            **self.admin_site.each_context(request),
            "title": f"Ticket {order}",
            "opts": self.opts,
            "order": order,
            "code": code,
            "picture": f"data:image/png;base64,{picture}",
            "next_sale": reverse("admin:orders_order_list_step", args=["sell"]),
        }
        return TemplateResponse(request, "admin/orders/ticket.html", context)


def _export(request: HttpRequest) -> list[dict[str, Any]]:
    """The way to the file of what the list shows, as far as a file can be chosen so."""
    user: Any = request.user
    if not user.has_perm("orders.export_order"):
        return []
    names = {"event": "event_id", "status__exact": "status", "from": "first_day", "to": "last_day"}
    chosen = {theirs: request.GET[ours] for ours, theirs in names.items() if request.GET.get(ours)}
    left = [said for name, said in NOT_IN_FILES.items() if request.GET.get(name)]
    if left:
        chosen["left"] = ", ".join(left)
    address = f"{reverse('exports')}?{urlencode({'what': 'orders', **chosen})}#orders"
    return [{"url": address, "label": "Export", "is_danger": False}]


def _sees_contacts(request: HttpRequest) -> bool:
    user: Any = request.user
    return bool(user.has_perm(CONTACTS))
