"""Fields that several forms of the office share."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError

from homeproductions.addresses import is_web_address
from homeproductions.fields import check_email, on_one_line

ADDRESS = {"class": "vURLField", "inputmode": "url"}


def check_address(text: str) -> None:
    if not is_web_address(text):
        raise ValidationError("This must be a whole address that begins with https:// or http://.")


def check_picture(text: str) -> None:
    """Pages show pictures by https only, or from this very server."""
    if not text.startswith(("https://", f"{settings.PUBLIC_URL}/")):
        raise ValidationError("A picture is shown only from an address that begins with https://.")


def picture_field(label: str, help_text: str = "", **options: Any) -> forms.CharField:
    """The address of a picture; empty: none."""
    field = address_field(label, help_text, **options)
    field.validators.append(check_picture)
    return field


def address_field(label: str, help_text: str = "", **options: Any) -> forms.CharField:
    """The address of something on the web; empty: none."""
    return forms.CharField(
        label=label,
        help_text=help_text,
        empty_value=None,
        validators=[check_address],
        **{"required": False, "widget": forms.TextInput(attrs=ADDRESS), **options},
    )


class EmailAddress(forms.EmailField):
    """Takes what the API takes."""

    default_validators = [check_email]


class Line(forms.CharField):
    """A name and the like: what stands in the subject of a mail or in a row of a list."""

    default_validators = [on_one_line]


class Lines(forms.CharField):
    """A list of texts, one a line."""

    widget = forms.Textarea

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        lines = value if isinstance(value, list) else (value or "").splitlines()
        return [line.strip() for line in lines if line.strip()] or None

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.to_python(initial) != self.to_python(data)
