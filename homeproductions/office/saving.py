"""Forms whose rows are saved by a service, like the API's: it checks, locks and writes the history."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.db import models
from django.http import HttpRequest, HttpResponse

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


class SavedForm(forms.ModelForm):
    """Base of such a form. `refusal` is what the service said when it was asked a moment ago."""

    refusal: Refused | None = None

    def clean(self) -> dict[str, Any] | None:
        data = super().clean()
        if self.refusal is not None:
            self.add_error(None, str(self.refusal))
        return data

    def changes(self) -> dict[str, Any]:
        """The fields that somebody changed, an empty text as null where the column knows it."""
        return {name: self.stored(name) for name in self.changed_data if name in self.cleaned_data}

    def stored(self, name: str) -> Any:
        """The field's value for its column."""
        value = self.cleaned_data[name]
        field = next((field for field in self.instance._meta.concrete_fields if field.name == name), None)
        return None if value == "" and field is not None and field.null else value


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
