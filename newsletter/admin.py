"""The office's screens for the newsletter: who is on it, since when, and the ways in and out that the office has."""

from collections.abc import Sequence
from typing import Any

from constance import config
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from homeproductions.errors import Invalid, Refused
from homeproductions.office.screens import ReadOnly
from homeproductions.office.steps import Step

from . import imports, queries, services
from .models import Subscriber

MAY_IMPORT = "newsletter.import_subscriber"
MAY_EXPORT = "newsletter.export_subscriber"
SHOWN, SHORT = 100, 12  # of each kind of lines in a preview: at most, and at once


# --- What a person may do ---------------------------------------------------------------------------------------


def unsubscribe(subscriber: Subscriber, data: dict[str, Any], actor: Any) -> str:
    services.unsubscribe_for(subscriber.pk, actor=actor)
    return "Off the list. They get no more news from us."


def what_unsubscribing_does(subscriber: Subscriber) -> list[str]:
    return [
        f"{subscriber.email} gets no more news. Tickets and their mails are not affected.",
        "Only they can come back, by subscribing on the website: an import will leave them alone.",
    ]


STEPS = (
    Step(
        "unsubscribe",
        "Unsubscribe",
        "newsletter.change_subscriber",
        unsubscribe,
        what_unsubscribing_does,
        fits=lambda subscriber: subscriber.state != Subscriber.State.LEFT,
        is_danger=True,
    ),
)


class ListForm(forms.Form):
    """A file, or lines that were copied from somewhere."""

    file = forms.FileField(
        required=False,
        label="CSV file",
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,text/csv"}),
        help_text=f"With a column named E-mail, or addresses alone. At most {services.IMPORT_MAX} and one megabyte.",
    )
    text = forms.CharField(
        required=False,
        label="Or paste addresses",
        max_length=imports.MAX_BYTES,
        widget=forms.Textarea(attrs={"rows": 6, "cols": 50}),
        help_text="One on each line.",
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.errors:
            return data
        if bool(data["file"]) == bool(data["text"]):
            raise forms.ValidationError("Choose a file or paste addresses, one of both.")
        try:
            data["preview"] = imports.preview(self._content(data))
        except Invalid as error:
            raise forms.ValidationError(str(error)) from error
        return data

    def _content(self, data: dict[str, Any]) -> bytes:
        if data["file"]:
            return data["file"].read(imports.MAX_BYTES + 1)  # one more shows that there is too much
        return data["text"].encode()


class ConfirmForm(forms.Form):
    """The new addresses of a preview, carried by the page itself: nothing of a list that is not wanted is kept."""

    addresses = forms.CharField(widget=forms.HiddenInput)
    consent = forms.BooleanField(
        label="These people have agreed to get our news",
        help_text="It is noted that you brought them. Whoever did not agree may complain, and mail programs listen.",
    )


# --- Screens ----------------------------------------------------------------------------------------------------


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, label.capitalize()) for value, label in Subscriber.State.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Subscriber]) -> QuerySet[Subscriber]:
        chosen = self.value()
        return queryset.filter(queries.STATES[chosen]) if chosen in queries.STATES else queryset


@admin.register(Subscriber)
class SubscriberAdmin(ReadOnly):
    steps = STEPS
    list_display = ("email", "how", "source", "subscribed_at", "consent", "unsubscribed_at")
    list_filter = (StateFilter, "source")
    search_fields = ("email",)
    sortable_by = ()
    fields = ("email", "how", "source", "subscribed_at", "confirmed_at", "consent", "unsubscribed_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Subscriber]:
        return queries.listed()

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ()

    @admin.display(description="State")
    def how(self, subscriber: Subscriber) -> str:
        return Subscriber.State(subscriber.state).label.capitalize()

    @admin.display(description="Consent since")
    def consent(self, subscriber: Subscriber) -> Any:
        return subscriber.consent_at or "-"

    def offered(self, request: HttpRequest, row: Any) -> list[dict[str, Any]]:
        return super().offered(request, row) if row is not None else self._pages(request)

    def _pages(self, request: HttpRequest) -> list[dict[str, Any]]:
        user: Any = request.user
        state = request.GET.get("state", "")
        pages = (
            (MAY_IMPORT, "Import", reverse("admin:newsletter_subscriber_import")),
            (MAY_EXPORT, "Export", f"{reverse('exports')}?what=newsletter&state={state}#newsletter"),
        )
        return [
            {"url": url, "label": label, "is_danger": False}
            for permission, label, url in pages
            if user.has_perm(permission)
        ]

    # --- Import -------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        page = path("import/", self.admin_site.admin_view(self.import_page), name="newsletter_subscriber_import")
        return [page, *super().get_urls()]

    def import_page(self, request: HttpRequest) -> HttpResponse:
        """Asks for a list, then shows what it would do, then does it."""
        user: Any = request.user
        if not user.has_perm(MAY_IMPORT):
            raise PermissionDenied
        if request.method != "POST":
            return self._ask(request, ListForm())
        if "addresses" in request.POST:
            return self._confirmed(request, ConfirmForm(request.POST, label_suffix=""))
        form = ListForm(request.POST, request.FILES)
        if not form.is_valid():
            return self._ask(request, form, status=422)
        preview: imports.Preview = form.cleaned_data["preview"]
        return self._show(request, preview, ConfirmForm(initial={"addresses": " ".join(preview.new)}, label_suffix=""))

    def _confirmed(self, request: HttpRequest, form: ConfirmForm) -> HttpResponse:
        if not form.is_valid():
            addresses = request.POST["addresses"].split()
            return self._show(request, imports.Preview(new=addresses), form, status=422)
        user: Any = request.user
        try:
            done = services.import_addresses(form.cleaned_data["addresses"].split(), actor=user)
        except Refused as error:
            return self._ask(request, ListForm(), refusal=str(error), status=422)
        messages.success(request, in_words(done))
        return HttpResponseRedirect(reverse("admin:newsletter_subscriber_changelist"))

    def _ask(self, request: HttpRequest, form: forms.Form, *, refusal: str = "", status: int = 200) -> HttpResponse:
        return self._page(request, "import", {"form": form, "refusal": refusal}, status)

    def _show(
        self, request: HttpRequest, preview: imports.Preview, form: forms.Form, *, status: int = 200
    ) -> HttpResponse:
        context = {"form": form, "groups": groups(preview), "preview": preview}
        return self._page(request, "import_preview", context, status)

    def _page(self, request: HttpRequest, name: str, context: dict[str, Any], status: int) -> HttpResponse:
        shared = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Import subscribers",
            "must_confirm": config.email_require_confirmation,
            "back": reverse("admin:newsletter_subscriber_changelist"),
        }
        return TemplateResponse(request, f"admin/newsletter/{name}.html", {**shared, **context}, status=status)


def groups(preview: imports.Preview) -> list[dict[str, Any]]:
    """What is not added, and why, as far as a page can show it."""
    wrong = [f"line {each.line}: {each.text[:100]} ({each.reason})" for each in preview.wrong]
    kinds: Sequence[tuple[str, Sequence[str]]] = (
        ("Will be added", preview.new),
        ("On the list already", preview.active),
        ("Known but not confirmed yet, stay as they are", preview.waiting),
        ("Left earlier, not brought back", preview.left),
        ("Left out", wrong),
    )
    return [
        {
            "title": title,
            "count": len(lines),
            "lines": lines[:SHOWN],
            "more": max(0, len(lines) - SHOWN),
            "is_short": len(lines) <= SHORT,
        }
        for title, lines in kinds
        if lines
    ]


def in_words(done: services.Imported) -> str:
    if not done.added:
        return "Nobody was added: all of them are known already."
    who = "1 new address" if done.added == 1 else f"{done.added} new addresses"
    what = "each gets a mail with a link to confirm" if done.must_confirm else "on the list from now on"
    known = f" {done.known} known meanwhile stay as they are." if done.known else ""
    return f"{who}: {what}.{known}"
