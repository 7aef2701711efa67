"""How errors are told: the whole stack, and no text that may quote somebody."""

from datetime import timedelta

import pytest
from django.db import IntegrityError

from homeproductions.stacks import OF_PYTHON, chain, text_of, told
from newsletter.models import Subscriber
from orders.models import Order

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
        (RecursionError("maximum recursion depth exceeded"), "maximum recursion depth exceeded"),
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


PARTY = {"Lucia": GUEST}
NOTHING = None


def taking(self, order, *, actor):
    """With parameters of our own."""


@pytest.mark.parametrize(
    ("careless", "text"),
    [
        (lambda: NOTHING[0], "'NoneType' object is not subscriptable"),
        (lambda: NOTHING.status, "'NoneType' object has no attribute 'status'"),
        (lambda: Subscriber.x, "type object 'Subscriber' has no attribute 'x'"),
        (lambda: GUEST + 1, 'can only concatenate str (not "int") to str'),
        (lambda: 1 + GUEST, "unsupported operand type(s) for +: 'int' and 'str'"),
        (lambda: GUEST < 1, "'<' not supported between instances of 'str' and 'int'"),
        (lambda: {PARTY: 1}, "unhashable type: 'dict'"),
        (lambda: GUEST["x"], "string indices must be integers, not 'str'"),
        (lambda: taking(), "taking() missing 2 required positional arguments: 'self' and 'order'"),
        (lambda: taking(1, 2), "taking() missing 1 required keyword-only argument: 'actor'"),
        (lambda: taking(1, 2, 3, 4), "taking() takes 2 positional arguments but 4 were given"),
    ],
)
def test_slips_of_ours_are_told_in_pythons_words(careless, text):
    error = caught(careless)

    assert (str(error), text_of(error)) == (text, text)


@pytest.mark.parametrize(
    "careless",
    [
        lambda: taking(1, 2, actor=3, **PARTY),  # whoever passes on what was sent
        lambda: Subscriber(**PARTY),
        lambda: Order.objects.filter(quantity=[GUEST]),
        lambda: getattr(Subscriber, GUEST),
        lambda: timedelta(**PARTY),
    ],
)
def test_texts_with_something_that_somebody_typed_are_not_told(careless):
    error = caught(careless)

    assert isinstance(error, OF_PYTHON)
    assert (text_of(error), told(error).splitlines()[-1]) == ("", type(error).__name__)


@pytest.mark.django_db
def test_of_a_database_error_the_rule_is_told_and_not_the_values():
    Subscriber.objects.create(email=GUEST)

    error = caught(lambda: Subscriber.objects.create(email=GUEST))

    assert isinstance(error, IntegrityError)
    assert GUEST in str(error)  # which is why its text is not told
    assert GUEST not in told(error)
    assert "psycopg.errors.UniqueViolation: SQLSTATE 23505, constraint " in told(error)
