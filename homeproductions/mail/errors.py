"""What can go wrong with one mail: whether trying again may help, and what to tell the office."""

from smtplib import (
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)

from anymail.exceptions import AnymailAPIError, AnymailInvalidAddress, AnymailRecipientsRefused
from django.core.mail import BadHeaderError

from homeproductions.errors import Refused

# Codes by which a server or provider complains about our account, not about the mail. The operator can mend that
# while the mail waits. (530, 534, 535, 538: login needed or refused; 402: the plan was not paid.)
SMTP_OUR_FAULT = {530, 534, 535, 538}
HTTP_TRY_AGAIN = {401, 402, 403, 408, 425, 429}
LONGEST_EXPLANATION = 1000


class NotWanted(Exception):
    """Raised by a renderer: the mail's reason is gone (say, the order was refunded). Final, and no failure: the
    outbox closes it. The text says why."""


class Unsendable(Exception):
    """The mail can never be sent as it is: no usable address or a forged header."""


class ServerAway(Exception):
    """No connection to the mail server, or it refused our login. No mail is to blame; `__cause__` says why."""


class TooLate(Refused):
    code = "MAIL_MOVED_ON"
    status = 409
    message = "The mail has moved on meanwhile: look at what it is now."


class Overtaken(Refused):
    code = "MAIL_OVERTAKEN"
    status = 409
    message = "Another mail of this kind waits for this order already."


class NothingToRetry(Refused):
    code = "NOTHING_TO_RETRY"
    message = "No mail was given up lately that a newer one did not replace."


def is_final(error: Exception) -> bool:
    """True when the same mail would be refused again, however often it is tried."""
    match error:
        case Unsendable() | BadHeaderError() | AnymailInvalidAddress() | AnymailRecipientsRefused():
            return True
        case SMTPRecipientsRefused():
            return all(_refuses_the_mail(code) for code, _ in error.recipients.values())
        case SMTPDataError():
            return _refuses_the_mail(error.smtp_code)
        case AnymailAPIError():
            status = error.status_code or 0
            return 400 <= status < 500 and status not in HTTP_TRY_AGAIN
    return False


def _refuses_the_mail(code: int) -> bool:
    return code >= 500 and code not in SMTP_OUR_FAULT


def in_words(error: BaseException) -> str:
    """One line for the office about what went wrong. May hold the guest's address: not for the logs."""
    return " ".join(_explain(error).replace("\x00", "").split())[:LONGEST_EXPLANATION]


def _explain(error: BaseException) -> str:
    match error:
        case NotWanted() | Unsendable():
            return str(error)
        case ServerAway():
            return f"no connection to the mail server: {in_words(error.__cause__ or error)}"
        case SMTPRecipientsRefused():
            answers = [f"{code} {_text(reply)}" for code, reply in error.recipients.values()]
            return f"the mail server refused the recipient: {'; '.join(answers)}"
        case SMTPSenderRefused():
            return f"the mail server refused our sender address: {error.smtp_code} {_text(error.smtp_error)}"
        case SMTPAuthenticationError():
            return f"the mail server refused our login: {error.smtp_code} {_text(error.smtp_error)}"
        case SMTPResponseException():
            return f"the mail server answered {error.smtp_code} {_text(error.smtp_error)}"
        case AnymailAPIError() if error.status_code:
            return f"the mail provider answered HTTP {error.status_code}: {getattr(error.response, 'text', '')}"
        case TimeoutError():
            return "the mail server did not answer in time"
    return f"{type(error).__name__}: {error}"


def _text(reply: bytes | str) -> str:
    return reply.decode("utf-8", "replace") if isinstance(reply, bytes) else str(reply)
