"""How every part of the system says no. Services raise a Refused; `api.py` turns it into the contract's envelope."""

from typing import Any, ClassVar


class Refused(Exception):
    """A request that cannot be done, with the contract's code and a text for people. Nothing has changed."""

    code: ClassVar[str] = "VALIDATION_ERROR"
    status: ClassVar[int] = 400
    message: ClassVar[str] = "That cannot be done."

    def __init__(self, message: str | None = None, **extra: Any) -> None:
        super().__init__(message or self.message)
        self.extra = extra


class Invalid(Refused):
    message = "Some of the data is not valid."


class MissingFields(Refused):
    code = "MISSING_REQUIRED_FIELDS"
    message = "Required fields are missing."


class NotFound(Refused):
    code = "NOT_FOUND"
    status = 404
    message = "There is nothing at this address."


class ConstraintBroken(Refused):
    code = "CONSTRAINT_ERROR"
    message = "A value is outside what is allowed."


class TooLarge(Refused):
    code = "PAYLOAD_TOO_LARGE"
    status = 413
    message = "The request is too large."


class RateLimited(Refused):
    code = "RATE_LIMITED"
    status = 429
    message = "Too many requests. Please wait a little and try again."


class LengthRequired(Refused):
    code = "LENGTH_REQUIRED"
    status = 411
    message = "Send a Content-Length."


class Unavailable(Refused):
    code = "UNAVAILABLE"
    status = 503
    message = "The service is not available right now. Please try again in a moment."
