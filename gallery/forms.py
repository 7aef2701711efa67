"""The office's forms of an album and its pictures."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from events.models import Event, EventStatus
from homeproductions import pictures
from homeproductions.office.fields import picture_field
from homeproductions.office.saving import SavedForm

from .models import Gallery, GalleryImage

CAPTION_LENGTH = 500


class AlbumForm(SavedForm):
    event = forms.ModelChoiceField(
        Event.objects.exclude(status=EventStatus.DELETED).order_by("-event_date", "name"), label="Night", required=False
    )
    cover_image_url = picture_field("Cover", "The address of a picture, for as long as the album has none of its own.")

    class Meta:
        model = Gallery
        fields = ["title", "event", "photographer", "description", "cover_image_url"]
        widgets = {"description": forms.Textarea(attrs={"rows": 4})}

    def changes(self) -> dict[str, Any]:
        changes = super().changes()
        if "event" in changes:
            event = changes.pop("event")
            changes["event_id"] = event.pk if event else None
        return changes


class PictureForm(forms.Form):
    """One picture of the page; its prefix is the picture's id. Place and caption are kept as they were shown, so that
    what somebody else did meanwhile is not taken for a change."""

    place = forms.IntegerField(
        min_value=1, widget=forms.NumberInput(attrs={"class": "place"}), show_hidden_initial=True
    )
    caption = forms.CharField(max_length=CAPTION_LENGTH, required=False, empty_value=None, show_hidden_initial=True)
    remove = forms.BooleanField(required=False)

    def __init__(self, image: GalleryImage, place: int, data: Any = None) -> None:
        self.image = image
        super().__init__(data, prefix=str(image.pk), initial={"place": place, "caption": image.caption})


class AddressForm(forms.Form):
    """A picture that lies elsewhere."""

    prefix = "elsewhere"
    image_url = picture_field("Address of a picture", required=True)
    caption = forms.CharField(max_length=CAPTION_LENGTH, required=False, empty_value=None)


class UploadedForm(forms.Form):
    """What the image host told the browser about a picture that it has taken."""

    url = picture_field("Address", required=True)
    public_id = forms.CharField(max_length=255)

    def clean(self) -> dict[str, Any]:
        told = super().clean() or {}
        if {"url", "public_id"} <= told.keys() and not pictures.is_shown_at(told["url"], told["public_id"]):
            raise ValidationError("This is no picture of ours.")
        return told
