"""Tries the way that mail leaves, without sending any."""

from typing import Any
from urllib.parse import urljoin

import requests
from django.conf import settings
from django.core.mail import get_connection
from requests import RequestException

TIMEOUT = 10  # seconds
# Of providers: what may be asked with a key without doing anything, and how the key is shown.
QUESTIONS = {
    "resend": ("domains", "Authorization", "Bearer {key}"),
    "brevo": ("account", "api-key", "{key}"),
    "postmark": ("server", "X-Postmark-Server-Token", "{key}"),
}
# A key that may only send is a good key.
ONLY_SENDS = "restricted_api_key"


class CannotTry(Exception):
    """Whether it works can only be found out by sending. The text says why."""


class Refused(Exception):
    """The provider does not take our key, or does not answer. The text says so, and holds no key."""


def sign_in() -> str:
    """Connect to the mail server or provider of the settings and sign in there. Returns what was found out.

    Raises CannotTry, Refused, or what the transport raises (smtplib, OSError, a configuration error).
    """
    connection: Any = get_connection(settings.MAIL_TRANSPORT)
    if not settings.EMAIL_PROVIDER:
        return _by_smtp(connection)
    return _by_key(settings.EMAIL_PROVIDER, connection)


def _by_smtp(connection: Any) -> str:
    connection.open()
    try:
        connection.connection.noop()
    finally:
        connection.close()
    signed = "takes our login" if settings.EMAIL_HOST_USER else "lets us in without a login"
    return f"The mail server {settings.EMAIL_HOST} answers and {signed}."


def _by_key(provider: str, connection: Any) -> str:
    if provider not in QUESTIONS:
        raise CannotTry(f"Whether {provider} takes our key is not known before a mail is sent.")
    path, header, shown = QUESTIONS[provider]
    key = connection.server_token if provider == "postmark" else connection.api_key
    address = urljoin(connection.api_url, path)
    try:
        answer = requests.get(address, headers={header: shown.format(key=key)}, timeout=TIMEOUT)
    except RequestException as error:
        raise Refused(f"{provider} does not answer ({type(error).__name__})") from error
    if answer.ok or ONLY_SENDS in answer.text:
        return f"{provider} takes our key."
    if answer.status_code in (401, 403):
        raise Refused(f"{provider} does not take our key (HTTP {answer.status_code})")
    raise Refused(f"{provider} answers HTTP {answer.status_code}")
