"""The newsletter on the wire (contract 2.7)."""

from typing import Any, ClassVar

from homeproductions.errors import Invalid, Refused
from homeproductions.fields import EmailAddress
from homeproductions.request_data import RequestBody


class LowerCaseEmail(EmailAddress):
    """An address in the one form it is stored in."""

    def to_internal_value(self, data: Any) -> str:
        # Before the checks: a few letters (İ) become two when they are lowered, and too long must mean 400.
        return super().to_internal_value(data.lower() if isinstance(data, str) else data)


class AddressBody(RequestBody):
    # Contract 2.7 knows one code here, for an address that is missing as for one that is wrong.
    missing: ClassVar[type[Refused]] = Invalid

    email = LowerCaseEmail()
