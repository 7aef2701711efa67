"""The door list of a night: on paper, on a phone, as a file. Names and numbers only; whoever may see how to reach the
guests gets that in the file."""

import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Page, Paginator
from django.db.models import F, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify

from audit.services import record
from events.models import Event
from homeproductions.errors import Refused
from homeproductions.office.exports import stream_csv, stream_xlsx
from orders import door_list, statistics
from orders.models import Order
from orders.search import plain
from orders.services import checkin

from .order_steps import CHECK_IN, is_welcome, welcome
from .orders import CONTACTS

VIEW = "orders.view_checkin"
PER_PAGE = 100
SINCE = timedelta(days=1)  # some nights end in the morning
OVER, COMING = 20, 60
SHOWN = {"": "All", "waiting": "Not in yet", "inside": "Inside"}
STATUSES = (Event.Status.ACTIVE, Event.Status.COMPLETED)


def door_lists(request: HttpRequest) -> HttpResponse:
    """The nights: tonight first, what comes, and what is over."""
    _demand(request, VIEW)
    since = timezone.localdate() - SINCE
    nights = Event.objects.filter(status__in=STATUSES)
    coming = list(nights.filter(event_date__gte=since).order_by("event_date", "event_time")[:COMING])
    over = list(nights.filter(event_date__lt=since).order_by("-event_date", "-event_time")[:OVER])
    doors = statistics.doors(event.pk for event in (*coming, *over))
    context = {
        "title": "Door lists",
        "groups": [
            ("Tonight and coming", [_progress(event, doors) for event in coming]),
            ("Over", [_progress(event, doors) for event in over]),
        ],
    }
    return _page(request, "admin/door/lists.html", context)


def door_list_page(request: HttpRequest, event_id: UUID) -> HttpResponse:
    """Who comes to this night. A press on a button lets somebody in."""
    _demand(request, VIEW)
    event = _event(event_id)
    if request.method == "POST":
        return _let_in(request, event)
    text, shown = request.GET.get("q", "").strip(), request.GET.get("show", "")
    is_paper = "print" in request.GET
    guests = _shown(door_list.guests(event, text=text), shown)
    page = Paginator(guests, PER_PAGE).get_page(request.GET.get("page"))
    expected, inside = statistics.doors([event.pk])[event.pk]
    user: Any = request.user
    context = {
        "title": event.name,
        "event": event,
        "text": text,
        "shown": shown,
        "choices": [(word, label, _query(q=text, show=word)) for word, label in SHOWN.items()],
        "page": page,
        "links": _links(page, text, shown),
        "orders": _lettered(guests if is_paper else _with_buttons(page, event, may_let_in=user.has_perm(CHECK_IN))),
        "is_paper": is_paper,
        "expected": expected,
        "inside": inside,
        "why_nobody_yet": checkin.why_nobody_yet(event),
        "now": timezone.now(),
        "sale": _sale(event) if user.has_perm("orders.add_order") else "",
        "sees_orders": user.has_perm("orders.view_order"),
    }
    return _page(request, "admin/door/list.html", context)


def door_list_csv(request: HttpRequest, event_id: UUID) -> HttpResponseBase:
    return _file(request, event_id, "csv", stream_csv)


def door_list_xlsx(request: HttpRequest, event_id: UUID) -> HttpResponseBase:
    return _file(request, event_id, "xlsx", stream_xlsx)


def _file(request: HttpRequest, event_id: UUID, kind: str, write: Any) -> HttpResponseBase:
    """The whole list. Who took it, and whether addresses were in it, stands in the audit."""
    _demand(request, VIEW)
    event = _event(event_id)
    user: Any = request.user
    with_contacts = user.has_perm(CONTACTS)
    note = {"what": "door list", "format": kind, "with_contacts": with_contacts}
    record("EXPORT", event, actor=user, new=note)
    name = f"door-{slugify(event.name)[:60] or 'night'}-{event.event_date}.{kind}"
    rows = door_list.door_rows(event, with_contacts=with_contacts)
    answer: HttpResponseBase = write(name, door_list.door_header(with_contacts=with_contacts), rows)
    return answer


def _let_in(request: HttpRequest, event: Event) -> HttpResponse:
    _demand(request, CHECK_IN)
    number, nonce = request.POST.get("order", ""), request.POST.get("nonce", "")[:100]
    text = request.POST.get("people", "")
    wanted = int(text) if text.isascii() and text.isdigit() and len(text) < 5 else 0
    scan = checkin.Scan(text=number, actor=_user(request), nonce=nonce or None, event_id=event.pk, people=wanted)
    try:
        checkin.refuse_before_the_night(event)
        done = checkin.check_in(scan)
    except Refused as refusal:
        messages.error(request, f"{number[:40]}: not let in. {refusal}")
        row = ""  # the top of the page, where that is said
    else:
        messages.success(request, welcome(done))
        row = f"#order-{done.order.order_number}"
    keep = _query(q=request.POST.get("q", ""), show=request.POST.get("show", ""), page=request.POST.get("page", ""))
    return HttpResponseRedirect(f"{request.path}{keep}{row}")


def _shown(guests: QuerySet[Any], shown: str) -> QuerySet[Any]:
    match shown:
        case "waiting":
            return guests.filter(Q(admitted=None) | Q(admitted__lt=F("quantity")), status=Order.Status.PAID)
        case "inside":
            return guests.filter(admitted__gt=0)
    return guests


def _with_buttons(page: Page, event: Event, *, may_let_in: bool) -> list[Any]:
    """The orders of the page, each with how many may still come in (nothing for those that may not)."""
    orders: list[Any] = list(page.object_list)
    for order in orders:
        order.event = event
        may_come = may_let_in and is_welcome(order)
        order.may_come = range(order.quantity - (order.admitted or 0), 0, -1) if may_come else ()
        order.nonce = uuid.uuid4()
    return orders


def _lettered(orders: Iterable[Any]) -> list[Any]:
    """Each with the letter that it stands under."""
    lettered = list(orders)
    for order in lettered:
        order.letter = plain(order.buyer_name)[:1].upper()
    return lettered


def _progress(event: Event, doors: dict[UUID, tuple[int, int]]) -> dict[str, Any]:
    expected, inside = doors[event.pk]
    return {"event": event, "expected": expected, "inside": inside}


def _links(page: Page, text: str, shown: str) -> dict[str, str]:
    """To the pages before and after this one."""
    before = _query(q=text, show=shown, page=page.previous_page_number()) if page.has_previous() else ""
    after = _query(q=text, show=shown, page=page.next_page_number()) if page.has_next() else ""
    return {"before": before, "after": after}


def _query(**parameters: Any) -> str:
    said = {name: value for name, value in parameters.items() if value}
    return f"?{urlencode(said)}" if said else "?"


def _sale(event: Event) -> str:
    """Where to sell a ticket of this night, if it is on."""
    tier = event.tiers.first() if event.status == Event.Status.ACTIVE else None
    address = reverse("admin:orders_order_list_step", args=["sell"])
    return f"{address}?{urlencode({'tier': tier.pk})}" if tier else ""


def _event(event_id: UUID) -> Event:
    event = Event.objects.filter(pk=event_id).exclude(status=Event.Status.DELETED).first()
    if event is None:
        raise Http404
    return event


def _user(request: HttpRequest) -> Any:
    return request.user


def _demand(request: HttpRequest, permission: str) -> None:
    if not _user(request).has_perm(permission):
        raise PermissionDenied


def _page(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    return TemplateResponse(request, template, {**admin.site.each_context(request), **context})
