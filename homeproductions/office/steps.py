"""Steps: what a person may do with a row, each on a page of its own that says first what it will do.

A step never changes anything by itself: it calls a service, which decides, locks and writes the history, and what the
service refuses is shown where the person stands. A step that a row's state rules out is not offered.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst

from homeproductions.errors import Refused


class NoQuestions(forms.Form):
    """A step that only wants to be confirmed."""


@dataclass(frozen=True)
class Done:
    """What a step did, in words, and where to go now; the row's own page if it does not say."""

    message: str
    url: str = ""


@dataclass(frozen=True)
class Step:
    """`act(row, cleaned_data, user)` does it and says what was done; it may raise Refused. `explain(row)` says what
    will happen, one sentence a line: the dry run. For a step of the whole list, the row is None."""

    name: str
    label: str
    permission: str
    act: Callable[[Any, dict[str, Any], Any], str | Done]
    explain: Callable[[Any], Sequence[str]]
    form: type[forms.Form] = NoQuestions
    initial: Callable[[Any], dict[str, Any]] = lambda row: {}
    fits: Callable[[Any], bool] = lambda row: True
    is_danger: bool = False
    # Fields that the address of the page may fill in, for links that lead here; never those that confirm something.
    prefilled: Sequence[str] = ()


class StepPages:
    """For a ModelAdmin: `steps` of a row, `list_steps` of the whole list, each with a page and a button."""

    steps: Sequence[Step] = ()
    list_steps: Sequence[Step] = ()
    # The ModelAdmin's own.
    opts: Any
    admin_site: Any
    get_object: Any
    has_view_permission: Any

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        pages = [
            path("do/<slug:name>/", self.admin_site.admin_view(self.list_step_page), name=f"{name}_list_step"),
            path("<str:object_id>/do/<slug:name>/", self.admin_site.admin_view(self.step_page), name=f"{name}_step"),
        ]
        return [*pages, *super().get_urls()]  # type: ignore[misc]

    def offered(self, request: HttpRequest, row: Any) -> list[dict[str, Any]]:
        """The buttons of a row (None: of the list), for whoever looks at it."""
        kind, args = ("step", [row.pk]) if row is not None else ("list_step", [])
        view = f"admin:{self.opts.app_label}_{self.opts.model_name}_{kind}"
        return [
            {"url": reverse(view, args=[*args, step.name]), "label": step.label, "is_danger": step.is_danger}
            for step in self._fitting(request, row)
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        buttons = self.offered(request, row) if row is not None else []
        context = {"steps": buttons, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)  # type: ignore[misc]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {"steps": self.offered(request, None), **(extra_context or {})}
        return super().changelist_view(request, context)  # type: ignore[misc]

    def as_it_is(self, row: Any) -> str:
        """The row and its state, for whoever comes too late."""
        status = getattr(row, "status", "")
        return f"{capfirst(self.opts.verbose_name)} {row}" + (f" is {status}" if status else "")

    def step_page(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        return self._answer(request, row, name)

    def list_step_page(self, request: HttpRequest, name: str) -> HttpResponse:
        return self._answer(request, None, name)

    def _answer(self, request: HttpRequest, row: Any, name: str) -> HttpResponse:
        known = next((step for step in self._all(row) if step.name == name), None)
        if known is None:
            raise Http404
        user: Any = request.user
        if not user.has_perm(known.permission):
            raise PermissionDenied
        back = self._address(row)
        if row is not None and not known.fits(row):
            # Pressed twice, or somebody else was faster: not a mistake.
            messages.info(request, f"{self.as_it_is(row)}: “{known.label}” is not possible now.")
            return HttpResponseRedirect(back)
        form = self._form(request, known, row)
        refusal = ""
        if request.method == "POST" and form.is_valid():
            try:
                done = known.act(row, form.cleaned_data, user)
            except Refused as error:
                refusal = str(error)
            else:
                return self._leave(request, done, back)
        context = {"title": known.label, "row": row, "step": known, "form": form, "refusal": refusal, "back": back}
        lines = known.explain(row)
        return self._render(request, {**context, "lines": lines})

    def _form(self, request: HttpRequest, step: Step, row: Any) -> forms.Form:
        if request.method == "POST":
            return step.form(request.POST, request.FILES)
        given = {name: request.GET[name] for name in step.prefilled if name in request.GET}
        return step.form(initial={**step.initial(row), **given})

    def _leave(self, request: HttpRequest, done: str | Done, back: str) -> HttpResponse:
        done = Done(done) if isinstance(done, str) else done
        messages.success(request, done.message)
        return HttpResponseRedirect(done.url or back)

    def _render(self, request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
        site = self.admin_site.each_context(request)
        status = 422 if context["refusal"] else 200
        return TemplateResponse(request, "admin/step.html", {**site, "opts": self.opts, **context}, status=status)

    def _address(self, row: Any) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}"
        return reverse(f"{name}_change", args=[row.pk]) if row is not None else reverse(f"{name}_changelist")

    def _all(self, row: Any) -> Sequence[Step]:
        return self.steps if row is not None else self.list_steps

    def _fitting(self, request: HttpRequest, row: Any) -> list[Step]:
        user: Any = request.user
        steps = [step for step in self._all(row) if user.has_perm(step.permission)]
        return [step for step in steps if row is None or step.fits(row)]
