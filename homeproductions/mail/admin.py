"""The office's screen for the outbox: what became of each mail, in words, and what to do about it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from homeproductions.office.links import link, page_of
from homeproductions.office.rows import PreparedRows, filled
from homeproductions.office.screens import ReadOnly
from homeproductions.office.steps import Step

from . import desk, parts, queries, words
from .backends import is_configured
from .errors import NotWanted, in_words
from .models import MAX_ATTEMPTS, OutboxEmail
from .registry import RENDERERS

CHANGE = "mail.change_outboxemail"
NOT_SET_UP = "Mail is not set up on this server: it waits in the outbox until it is."
SEEN_FOR = 600  # seconds that the frame of a preview may be loaded in
LOOK = "mail preview"
# A mail brings styles of its own and nothing else; no link in it leads anywhere from here.
FRAME_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; sandbox"
    ),
    "X-Frame-Options": "SAMEORIGIN",
    # A document in a sandbox has no origin; asking for a process of its own makes the browser complain.
    "Origin-Agent-Cluster": "?0",
}

# --- What a person may decide --------------------------------------------------------------------------------


def send_test(row: None, data: dict[str, Any], actor: Any) -> str:
    desk.send_test(actor=actor)
    return f"A test mail to {actor.email} is on its way."


def retry_given_up(row: None, data: dict[str, Any], actor: Any) -> str:
    count = desk.retry_given_up(actor=actor)
    return "One mail is due again." if count == 1 else f"{count} mails are due again."


def retry(email: OutboxEmail, data: dict[str, Any], actor: Any) -> str:
    desk.retry(email.pk, actor=actor)
    return "The mail is due now."


def call_off(email: OutboxEmail, data: dict[str, Any], actor: Any) -> str:
    desk.call_off(email.pk, actor=actor)
    return "The mail is called off."


def said(*lines: str) -> Callable[[OutboxEmail], list[str]]:
    """Which mail it is and what is known of it, then what the step does."""

    def explain(email: OutboxEmail) -> list[str]:
        known = words.problem(email)
        first = f"{words.kind(email.email_type)} to {email.recipient_email}: {words.state(email)}."
        return [first, *([known] if known else []), *lines]

    return explain


def by_worker(*lines: str) -> list[str]:
    return [*lines] if is_configured() else [*lines, NOT_SET_UP]


def explain_given_up(row: None) -> list[str]:
    count = queries.retriable(timezone.now()).count()
    return by_worker(
        f"Mails given up after {MAX_ATTEMPTS} attempts in the last seven days: {count}. Each gets all attempts again.",
        "Those that a newer mail of the same kind replaced stay as they are, and so do addresses that were refused.",
    )


LIST_STEPS = (
    Step(
        "send-test",
        "Send a test mail to me",
        CHANGE,
        send_test,
        lambda row: by_worker("It goes the same way as a ticket: through the outbox, the worker and the mail server."),
    ),
    Step("retry-given-up", "Retry all that were given up", CHANGE, retry_given_up, explain_given_up),
)
STEPS = (
    Step(
        "retry",
        "Retry",
        CHANGE,
        retry,
        lambda email: by_worker(*said(f"It is due at once, with {MAX_ATTEMPTS} attempts.")(email)),
        fits=desk.can_retry,
    ),
    Step(
        "cancel",
        "Do not send",
        CHANGE,
        call_off,
        said("It is not sent any more. If it is being sent at this moment, it may still arrive."),
        fits=lambda email: email.is_open,
        is_danger=True,
    ),
    Step(
        "dismiss",
        "Take off the list",
        CHANGE,
        call_off,
        said("It counts as failed no more. The guest gets nothing by this."),
        fits=lambda email: email.has_failed,
    ),
)

# --- Screen --------------------------------------------------------------------------------------------------

STATES: dict[str, tuple[str, Callable[[QuerySet[OutboxEmail]], QuerySet[OutboxEmail]]]] = {
    "failed": ("Failed", queries.failed),
    "stuck": ("Stuck", queries.stuck),
    "waiting": ("Waiting or being sent", lambda emails: emails.filter(status__in=OutboxEmail.OPEN)),
    "sent": ("Sent", lambda emails: emails.filter(status=OutboxEmail.Status.SENT)),
    "not-wanted": ("Not wanted any more", lambda emails: emails.exclude(closed_at=None).filter(status="failed")),
}


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, label) for name, (label, _) in STATES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[OutboxEmail]) -> QuerySet[OutboxEmail]:
        if not self.value():
            return queryset
        return STATES[self.value() or ""][1](queryset) if self.value() in STATES else queryset.none()


class KindFilter(admin.SimpleListFilter):
    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return sorted(((kind, words.kind(kind)) for kind in RENDERERS), key=lambda choice: choice[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet[OutboxEmail]) -> QuerySet[OutboxEmail]:
        return queryset.filter(email_type=self.value()) if self.value() else queryset


PARTS = (
    (None, ("state", "problem", "kind", "to", "subject", "about")),
    ("When", ("queued", "tries", "last_attempt_at", "next_try", "sent_at")),
    ("In the words of the mail server or our worker", ("said",)),
)


@admin.register(OutboxEmail)
class OutboxEmailAdmin(PreparedRows, ReadOnly):
    steps = STEPS
    list_steps = LIST_STEPS
    list_display = ("state", "kind", "to", "about", "problem", "tries", "next_try", "queued")
    list_display_links = ("state", "kind")
    list_filter = (StateFilter, KindFilter, "created_at")
    search_fields = ("recipient_email",)  # makes the box; `queries.search` says what is looked for
    search_help_text = "An order number, or the beginning of an address."
    sortable_by = ()

    class Media:
        css = {"all": ["office/records.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[OutboxEmail]:
        return super().get_queryset(request).select_related("order")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """What is known of the mail; the rest takes no room."""
        parts = [(heading, filled(self, obj, names)) for heading, names in PARTS]
        return [(heading, {"fields": names}) for heading, names in parts if names]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [name for _, options in self.get_fieldsets(request, obj) for name in options["fields"]]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[OutboxEmail], search_term: str
    ) -> tuple[QuerySet[OutboxEmail], bool]:
        text = search_term.strip()
        return queries.search(queryset, text) if text else queryset, False

    def prepare(self, request: HttpRequest, rows: list[Any]) -> None:
        for row in rows:
            row.order_link = self._order_link(request, row) if row.order_id else ""

    def _order_link(self, request: HttpRequest, row: Any) -> SafeString | str:
        page = page_of(self.admin_site, request, "order", row.order_id)
        return link(page, f"{row.order.order_number}{' (test)' if row.order.is_test else ''}")

    def as_it_is(self, row: Any) -> str:
        return f"The mail to {row.recipient_email} is {words.state(row)}"

    @admin.display
    def state(self, email: OutboxEmail) -> SafeString:
        state = words.state(email)
        return format_html('<span class="state state-{}">{}</span>', state.replace(" ", "-"), state)

    @admin.display
    def kind(self, email: OutboxEmail) -> str:
        return words.kind(email.email_type)

    @admin.display
    def to(self, email: OutboxEmail) -> str:
        return email.recipient_email

    @admin.display(description="Order")
    def about(self, email: Any) -> SafeString | str:
        return email.order_link

    @admin.display(description="Attempts")
    def tries(self, email: OutboxEmail) -> str:
        return f"{email.attempts} of {MAX_ATTEMPTS}"

    @admin.display
    def next_try(self, email: OutboxEmail) -> str:
        if email.status != OutboxEmail.Status.PENDING:
            return ""
        due = _clock(email.next_attempt_at)
        return due if email.next_attempt_at > timezone.now() else f"due since {due}"

    @admin.display
    def queued(self, email: OutboxEmail) -> str:
        return _clock(email.created_at)

    @admin.display(description="What went wrong")
    def problem(self, email: OutboxEmail) -> str:
        return words.problem(email)

    @admin.display
    def said(self, email: OutboxEmail) -> str:
        return email.error_message or ""

    # --- Preview ---------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        name = "mail_outboxemail_preview"
        pages = [
            path("<uuid:email_id>/preview/", self.admin_site.admin_view(self.preview_page), name=name),
            path("<uuid:email_id>/preview/html/", self.admin_site.admin_view(self.preview_frame), name=f"{name}_html"),
        ]
        return [*pages, *super().get_urls()]

    def offered(self, request: HttpRequest, row: Any) -> list[dict[str, Any]]:
        if row is None:
            return super().offered(request, row)
        look = {"url": reverse("admin:mail_outboxemail_preview", args=[row.pk]), "label": "Preview"}
        return [look, *super().offered(request, row)]

    def preview_page(self, request: HttpRequest, email_id: Any) -> HttpResponse:
        """The mail as it would leave now: its text, what is attached, and the frame with the rest."""
        email = self._visible(request, email_id)
        context = {
            "title": "Preview",
            "opts": self.opts,
            "email": email,
            "kind": words.kind(email.email_type),
            "back": reverse("admin:mail_outboxemail_change", args=[email.pk]),
        }
        try:
            message = desk.preview(email)
        except NotWanted as reason:
            context["refusal"] = f"It would not be sent now: {reason}."
        except Exception as error:
            # Whatever stops the worker is what somebody came here to see.
            context["refusal"] = f"It cannot be made now: {in_words(error)}."
        else:
            desk.note_look(email, actor=request.user)  # type: ignore[arg-type]
            look = signing.dumps([str(email.pk), str(request.user.pk)], salt=LOOK)
            context |= {"message": message, "files": parts.attached(message)}
            context |= {"look": look, "has_html": bool(parts.html_of(message))}
        site = self.admin_site.each_context(request)
        return TemplateResponse(request, "admin/mail_preview.html", {**site, **context})

    def preview_frame(self, request: HttpRequest, email_id: Any) -> HttpResponse:
        """The HTML of the mail, for the frame in the page above, which has noted in the history who looks."""
        email = self._visible(request, email_id)
        try:
            seen = signing.loads(request.GET.get("look", ""), salt=LOOK, max_age=SEEN_FOR)
        except signing.BadSignature:
            seen = None
        try:
            message = desk.preview(email) if seen == [str(email.pk), str(request.user.pk)] else None
        except NotWanted:
            message = None
        if message is None:
            return HttpResponseRedirect(reverse("admin:mail_outboxemail_preview", args=[email.pk]))
        return HttpResponse(parts.standing_alone(message), headers=FRAME_HEADERS)

    def _visible(self, request: HttpRequest, email_id: Any) -> OutboxEmail:
        email = OutboxEmail.objects.filter(pk=email_id).first()
        if not self.has_view_permission(request, email):
            raise PermissionDenied
        if email is None:
            raise Http404
        return email


def _clock(moment: datetime) -> str:
    return date_format(timezone.localtime(moment), "j M Y, H:i")
