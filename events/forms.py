"""The office's form of a night and its tiers. `events.services.planning` saves what it holds and checks once more."""

import math
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from homeproductions.office.fields import ADDRESS, Line, Lines, address_field, picture_field
from homeproductions.office.saving import OPEN_AGAIN, SavedForm
from homeproductions.office.uploads import context_of

from . import images
from .models import Event, TicketTier


class Cover(forms.TextInput):
    """The address of the picture, with the picture, and a way to upload another one."""

    upload: dict[str, Any] = {}

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        field = super().render(name, value, attrs, renderer)
        return render_to_string("admin/events/cover.html", {"field": field, "url": value, **self.upload})


class EventForm(SavedForm):
    artists = Lines(required=False, help_text="One a line.", widget=forms.Textarea(attrs={"rows": 3}))
    image_url = picture_field("Picture", widget=Cover(attrs=ADDRESS))
    cloudinary_public_id = forms.CharField(required=False, empty_value=None, widget=forms.HiddenInput)

    class Meta:
        model = Event
        field_classes = {"name": Line}
        fields = [
            "name",
            "event_date",
            "event_time",
            "end_time",
            "location",
            "venue",
            "event_type",
            "main_artist",
            "artists",
            "description",
            "image_url",
            "cloudinary_public_id",
            "min_age",
            "hold_minutes",
            "is_featured",
        ]
        labels = {
            "event_date": "Date",
            "event_time": "Begins",
            "end_time": "Ends",
            "event_type": "Kind",
            "min_age": "Youngest age",
            "hold_minutes": "Minutes an unpaid order holds its seats",
            "is_featured": "Featured",
        }
        help_texts = {
            "location": "City or area.",
            "end_time": "Earlier than the beginning means the next morning.",
            "hold_minutes": "Empty: as in the settings. 0: for ever.",
        }
        widgets = {"description": forms.Textarea(attrs={"rows": 5})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "image_url" in self.fields:
            is_new = self.instance._state.adding
            widget: Any = self.fields["image_url"].widget
            widget.upload = context_of(Event, None if is_new else self.instance.pk)

    def clean(self) -> dict[str, Any] | None:
        """An uploaded picture is this night's own; one that stands at an address somebody typed is not."""
        data = super().clean() or {}
        public_id = data.get("cloudinary_public_id")
        is_known = public_id == self.initial.get("cloudinary_public_id")
        if public_id and not is_known and not images.is_of(public_id, self.instance.pk):
            self.add_error("image_url", "This picture was uploaded for something else. Upload it here.")
        return data

    def changes(self) -> dict[str, Any]:
        changes = super().changes()
        if "image_url" not in changes:
            changes.pop("cloudinary_public_id", None)
        return changes


class TierForm(SavedForm):
    payment_link = address_field("Payment link", "Where guests pay when no provider opens a page for the order.")
    remove = forms.BooleanField(
        required=False, label="Remove this tier", help_text="One with orders stays and only goes off sale."
    )

    class Meta:
        model = TicketTier
        field_classes = {"name": Line}
        fields = [
            "name",
            "price",
            "currency",
            "quantity",
            "max_per_order",
            "sale_starts_at",
            "sale_ends_at",
            "description",
            "payment_link",
            "is_active",
            "sort_order",
        ]
        labels = {
            "max_per_order": "At most per order",
            "sale_starts_at": "On sale from",
            "sale_ends_at": "On sale until",
            "is_active": "On sale",
            "sort_order": "Place in the list",
        }
        help_texts = {
            "sale_starts_at": "Empty: at once.",
            "sale_ends_at": "Empty: until the night is over.",
            "sort_order": "The smallest number comes first.",
        }
        widgets = {"description": forms.Textarea(attrs={"rows": 2})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "sort_order" in self.fields:
            self.fields["sort_order"].required = False
            if self.instance._state.adding:
                self.initial["sort_order"] = None  # it comes last
        if "price" in self.fields and not self.instance._state.adding and self.instance.has_orders():
            self.fields["price"].disabled = self.fields["currency"].disabled = True
            self.fields["price"].help_text = "Locked: there are orders at this price. Add a tier for another one."

    def clean_currency(self) -> str:
        currency = self.cleaned_data["currency"].upper()
        if not (len(currency) == 3 and currency.isascii() and currency.isalpha()):
            raise ValidationError("Three letters, such as USD or GTQ.")
        return currency


class TierForms(forms.BaseInlineFormSet):
    def clean(self) -> None:
        super().clean()
        if any("id" in form.errors for form in self.forms):  # said at a hidden field, where nobody would see it
            raise ValidationError(f"One of these tickets was removed meanwhile. {OPEN_AGAIN}")


def tiers_of(formset: Any) -> tuple[list[dict[str, Any]], set[Any]]:
    """What the forms of the tiers say, for `planning.update_event`: those to keep, change or add, in their order, and
    the ids of those to remove."""
    filled = [form for form in formset.forms if form.has_changed() or not form.instance._state.adding]
    removed = {form.instance.pk for form in filled if form.cleaned_data.get("remove")}
    kept = [form for form in filled if not form.cleaned_data.get("remove")]
    kept.sort(key=_place)
    return [_tier(form) for form in kept], removed


def _place(form: TierForm) -> float:
    place = form.cleaned_data.get("sort_order")
    return math.inf if place is None else place


def _tier(form: TierForm) -> dict[str, Any]:
    if form.instance._state.adding:
        names = TierForm.Meta.fields
        return {name: form.stored(name) for name in names if form.cleaned_data.get(name) is not None}
    changes = form.changes()
    changes.pop("remove", None)
    return {"id": form.instance.pk, **changes}
