"""Forms whose rows are saved by a service, like the API's: it checks, locks and writes the history."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.utils.text import Truncator

from homeproductions.errors import Refused

from .screens import Screen

# The browser's own pickers: they know the reader's language, work with a keyboard and need no script of ours.
DAY = {"widget": forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})}
TIME = {"widget": forms.TimeInput(format="%H:%M", attrs={"type": "time"})}
MOMENT = {
    "form_class": forms.DateTimeField,
    "widget": forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"}),
}
PICKERS: dict[Any, dict[str, Any]] = {models.DateField: DAY, models.TimeField: TIME, models.DateTimeField: MOMENT}


OPEN_AGAIN = "Open the page again."


class SavedForm(forms.ModelForm):
    """Base of such a form. `refusal` is what the service said when it was asked a moment ago.

    The page keeps what it showed of the row, so that only what its reader changed is saved. What somebody else changed
    meanwhile stays; a field that both have changed is refused.
    """

    refusal: Refused | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            is_kept = not self.is_bound or self.add_initial_prefix(name) in self.data
            field.show_hidden_initial = is_kept and not self.instance._state.adding

    def clean(self) -> dict[str, Any] | None:
        data = super().clean() or {}
        for field in list(self):
            if field.field.show_hidden_initial and not field.field.disabled and _shown(field) != _now(field):
                self._settle(field, data)
        if self.refusal is not None:
            self.add_error(None, str(self.refusal))
        return data

    def _settle(self, field: forms.BoundField, data: dict[str, Any]) -> None:
        """Somebody else has changed it since the page was shown."""
        if field.name not in self.changed_data:
            data[field.name] = field.field.clean(field.field.prepare_value(field.initial))
        elif field.field.has_changed(field.initial, field.data):
            now = Truncator(_now(field) or "empty").chars(60)
            self.add_error(field.name, f"Somebody else has changed this meanwhile; it is now: {now}. {OPEN_AGAIN}")

    def changes(self) -> dict[str, Any]:
        """The fields that somebody changed, an empty text as null where the column knows it."""
        return {name: self.stored(name) for name in self.changed_data if name in self.cleaned_data}

    def stored(self, name: str) -> Any:
        """The field's value for its column."""
        value = self.cleaned_data[name]
        field = next((field for field in self.instance._meta.concrete_fields if field.name == name), None)
        return None if value == "" and field is not None and field.null else value


def _shown(field: forms.BoundField) -> str:
    """What the page said when it was opened."""
    return _one_way(field.form._widget_data_value(field.field.hidden_widget(), field.html_initial_name))  # type: ignore[attr-defined]


def _now(field: forms.BoundField) -> str:
    """What it would say if it were opened now."""
    return _one_way(field.field.hidden_widget().format_value(field.field.prepare_value(field.initial)))


def _one_way(text: str | None) -> str:
    """Browsers send other line ends than they were given."""
    return "\n".join((text or "").splitlines())


class SavedByService(Screen):
    """A screen whose form calls `store`. What that refuses is shown on the form, and nothing is saved."""

    form: type[forms.ModelForm] = SavedForm
    formfield_overrides = PICKERS

    def store(self, request: HttpRequest, form: Any, formsets: Sequence[Any], *, is_new: bool) -> models.Model:
        """Call the service with what the form holds, and return the row. May raise Refused."""
        raise NotImplementedError

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except Refused as refusal:
            request.refusal = refusal  # type: ignore[attr-defined]
            return super().changeform_view(request, object_id, form_url, extra_context)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.refusal = getattr(request, "refusal", None)
        return form

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        """Not yet: the row and what belongs to it are saved together."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: Any) -> None:
        form.instance.pk = self.store(request, form, formsets, is_new=not change).pk

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        return []  # the service has written what changed
