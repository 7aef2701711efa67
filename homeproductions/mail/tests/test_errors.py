"""Which refusals are final."""

from smtplib import (
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPRecipientsRefused,
    SMTPSenderRefused,
    SMTPServerDisconnected,
)
from types import SimpleNamespace

import pytest
from anymail.exceptions import AnymailAPIError, AnymailInvalidAddress, AnymailRecipientsRefused

from homeproductions.mail.errors import in_words, is_final


@pytest.mark.parametrize(
    "error",
    [
        SMTPRecipientsRefused({"a@example.com": (550, b"unknown")}),
        SMTPDataError(554, b"spam"),
        AnymailInvalidAddress("a@"),
        AnymailRecipientsRefused(),
        AnymailAPIError("bad request", status_code=400, response=SimpleNamespace(reason="", text="")),
        AnymailAPIError("unprocessable", status_code=422, response=SimpleNamespace(reason="", text="")),
    ],
)
def test_final(error):
    assert is_final(error) is True


@pytest.mark.parametrize(
    "error",
    [
        SMTPRecipientsRefused({"a@example.com": (451, b"greylisted")}),
        SMTPRecipientsRefused({"a@example.com": (530, b"log in first")}),
        SMTPSenderRefused(553, b"not your address", "tickets@example.com"),
        SMTPAuthenticationError(535, b"wrong password"),
        SMTPServerDisconnected("gone"),
        ConnectionRefusedError(),
        TimeoutError(),
        AnymailAPIError("no answer"),
        *(
            AnymailAPIError("", status_code=status, response=SimpleNamespace(reason="", text=""))
            for status in (401, 402, 403, 408, 429, 500, 503)
        ),
    ],
)
def test_worth_another_try(error):
    assert is_final(error) is False


def test_words_are_one_line_that_postgresql_can_store():
    assert in_words(SMTPDataError(451, b"try\r\nlater\x00 \xff")) == "the mail server answered 451 try later \ufffd"


def test_provider_is_quoted():
    error = AnymailAPIError("x", status_code=401, response=SimpleNamespace(reason="", text='{"message":"bad key"}'))

    assert in_words(error) == 'the mail provider answered HTTP 401: {"message":"bad key"}'
