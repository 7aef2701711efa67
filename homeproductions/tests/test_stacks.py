"""How errors are told: the whole stack, and no text that may quote somebody."""

import pytest
from django.db import IntegrityError

from homeproductions.stacks import chain, text_of, told
from newsletter.models import Subscriber

GUEST = "lucia@example.com"


def caught(function):
    try:
        function()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def inner():
    raise ValueError(GUEST)


def outer():
    try:
        inner()
    except ValueError as error:
        raise RuntimeError(GUEST) from error


def test_whole_stack_and_chain_without_a_text():
    lines = told(caught(outer)).splitlines()

    assert lines[0] == lines[lines.index("ValueError") + 1] == "Traceback (most recent call last):"
    assert [line.strip().rpartition(" in ")[2] for line in lines if line.startswith("  File")][-2:] == [
        "caught",
        "outer",
    ]
    assert "raise ValueError(GUEST)" in told(caught(outer))
    assert lines[-1] == "RuntimeError"
    assert GUEST not in told(caught(outer))


def test_context_that_was_put_aside_is_not_told():
    def swap():
        try:
            inner()
        except ValueError:
            raise RuntimeError from None

    assert [type(error) for error in chain(caught(swap))] == [RuntimeError]


def test_chain_that_bites_its_own_tail_ends():
    error = ValueError()
    error.__cause__ = error

    assert len(list(chain(error))) == 10


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (TypeError("'NoneType' object is not subscriptable"), "'NoneType' object is not subscriptable"),
        (AttributeError("'Order' object has no attribute 'x'"), "'Order' object has no attribute 'x'"),
        (FileNotFoundError(2, "No such file or directory", f"/tmp/{GUEST}"), "[Errno 2] No such file or directory"),
        (KeyError(GUEST), ""),
        (ValueError(GUEST), ""),
        (OSError(GUEST), ""),
        (AssertionError(GUEST), ""),
        (UnicodeDecodeError("utf-8", GUEST.encode(), 0, 1, "bad"), ""),
    ],
    ids=repr,
)
def test_text_only_where_it_is_about_code(error, text):
    assert text_of(error) == text


@pytest.mark.django_db
def test_of_a_database_error_the_rule_is_told_and_not_the_values():
    Subscriber.objects.create(email=GUEST)

    error = caught(lambda: Subscriber.objects.create(email=GUEST))

    assert isinstance(error, IntegrityError)
    assert GUEST in str(error)  # which is why its text is not told
    assert GUEST not in told(error)
    assert "psycopg.errors.UniqueViolation: SQLSTATE 23505, constraint " in told(error)
