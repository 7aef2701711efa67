"""The wire's value formats (contract 1.4): what a field takes and how it is written."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from .addresses import is_web_address
from .days import is_in_our_days, is_ours

# Control characters, the ends of lines, and what overrides the direction of writing.
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
INTEGER_MAX = 2**31 - 1  # of a PostgreSQL integer column


def timestamp(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds and Z."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def money(amount: Decimal | None) -> int | float | None:
    """A JSON number; Decimal stays inside the house."""
    if amount is None:
        return None
    return int(amount) if amount == amount.to_integral_value() else float(amount)


class Timestamp(serializers.DateTimeField):
    def to_internal_value(self, value: Any) -> datetime:
        moment = super().to_internal_value(value)
        if not is_in_our_days(moment):
            self.fail("invalid", format="YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]")
        return moment

    def to_representation(self, value: Any) -> Any:
        return timestamp(value)


class Money(serializers.DecimalField):
    """At most ten digits, two of them decimals. Written and read as a JSON number."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_digits": 10, "decimal_places": 2, "min_value": Decimal(0), **kwargs})

    def to_internal_value(self, data: Any) -> Decimal:
        is_number = isinstance(data, int | float) and not isinstance(data, bool)
        if not is_number and not getattr(self.root, "is_form", False):
            self.fail("invalid")
        return super().to_internal_value(data)

    def to_representation(self, value: Any) -> Any:
        return money(value)


@extend_schema_field(OpenApiTypes.DATETIME)
class NightDate(serializers.DateField):
    """Written as midnight UTC, whatever the server's zone; read as YYYY-MM-DD or the date part of a timestamp."""

    def to_internal_value(self, value: Any) -> date:
        text = value.strip() if isinstance(value, str) else value
        if isinstance(text, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.+Z-]*", text):
            text = text[:10]
        night = super().to_internal_value(text)
        if not is_ours(night):
            self.fail("invalid", format="YYYY-MM-DD")
        return night

    def to_representation(self, value: Any) -> Any:
        return f"{value.isoformat()}T00:00:00.000Z" if value is not None else None


@extend_schema_field(OpenApiTypes.STR)
class EventDate(serializers.DateField):
    """Midnight without a zone: a browser that prints it in local time shows the right day everywhere."""

    def to_representation(self, value: Any) -> Any:
        return f"{value.isoformat()}T00:00:00"


@extend_schema_field(OpenApiTypes.STR)
class NightTime(serializers.TimeField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"input_formats": ["%H:%M", "%H:%M:%S"], "format": "%H:%M:%S", **kwargs})


class StrictInteger(serializers.IntegerField):
    """A JSON integer: `"2"`, `1.5` and `true` are not. A form, which has only text, may say 2 as `2`."""

    def to_internal_value(self, data: Any) -> int:
        is_form = getattr(self.root, "is_form", False)
        if isinstance(data, float) and data.is_integer():
            data = int(data)
        if isinstance(data, bool) or not isinstance(data, int | str) or (isinstance(data, str) and not is_form):
            self.fail("invalid")
        return super().to_internal_value(data)


class StrictBoolean(serializers.BooleanField):
    """true or false; in a form also their usual words."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool) and not getattr(self.root, "is_form", False):
            self.fail("invalid", input=data)
        return super().to_internal_value(data)


class Text(serializers.CharField):
    """Text only: numbers and booleans are not turned into text."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


def on_one_line(text: str) -> None:
    """A validator for names and the like: what breaks the line, or turns the letters around it about, can make one
    guest look like another on a list. Raises ValidationError."""
    if UNSEEN.search(text):
        raise ValidationError("This has a line break or characters that cannot be seen in it.")


class OptionalText(Text):
    """May be absent, null or empty; the last two mean: none."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": False, "allow_null": True, "allow_blank": True, **kwargs})

    def run_validation(self, data: Any = serializers.empty) -> str | None:
        return super().run_validation(data) or None


class WebAddress(OptionalText):
    """An absolute http(s) address or none; nothing that a browser would run (`javascript:`, `data:`) gets in."""

    default_error_messages = {"address": "This is not a web address (http or https)."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 2000, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        address = super().to_internal_value(data)
        if not is_web_address(address):
            self.fail("address")
        return address


class UUIDText(serializers.UUIDField):
    """A UUID written as text; numbers are not turned into one."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid", value=data)
        if not data.strip():
            self.fail("required")
        return super().to_internal_value(data)


class OptionalUUID(UUIDText):
    """May be absent, null or empty; the last two mean: none."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": False, "allow_null": True, **kwargs})

    def run_validation(self, data: Any = serializers.empty) -> Any:
        return super().run_validation(None if data == "" else data)


# No brackets behind the @: `a@[127.0.0.1]` names a computer, and nobody's mail provider delivers there.
EMAIL = re.compile(r"[^\s@]+@[^\s@.\[\]]+(\.[^\s@.\[\]]+)+")
EMAIL_MAX_LENGTH = 255
NOT_AN_EMAIL = "This is not a valid e-mail address."


def is_email(text: str) -> bool:
    """Contract 2.4 (one `@`, a dot after it, no blanks), and deliverable: a ticket that can never arrive is refused
    before it is paid for, not after."""
    try:
        validate_email(text[: EMAIL_MAX_LENGTH + 1])
    except ValidationError:
        return False
    return bool(EMAIL.fullmatch(text)) and len(text) <= EMAIL_MAX_LENGTH


def check_email(text: str) -> None:
    """A validator: raises ValidationError for what is no address by `is_email`."""
    if not is_email(text):
        raise ValidationError(NOT_AN_EMAIL)


class EmailAddress(Text):
    default_error_messages = {"email": NOT_AN_EMAIL}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 255, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not is_email(text):
            self.fail("email")
        return text
