"""Moments come from the database as Django would read them."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import DataError, connection
from django.db.backends.postgresql.psycopg_any import BaseTzLoader
from psycopg.postgres import types

from homeproductions.postgresql.moments import Moments

SHOWN = (
    "2027-02-14 22:30:00.987654+00",
    "2027-02-14 22:30:00+00",
    "0001-01-01 00:00:00.5+00",
    "9999-12-31 00:00:00+00",
)


def asked(sql, *values):
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchone()[0]


class Theirs(BaseTzLoader):
    timezone = UTC


@pytest.mark.parametrize("text", SHOWN)
def test_moments_are_those_that_django_reads(db, text):
    oid = types["timestamptz"].oid
    ours, theirs = (loader(oid, connection.connection).load(text.encode()) for loader in (Moments, Theirs))

    assert (ours, ours.tzinfo) == (theirs, UTC)
    assert asked("SELECT %s::timestamptz", text) == theirs


def test_reader_is_ours(db):
    asked("SELECT 1")

    assert connection.connection.adapters.get_loader(types["timestamptz"].oid, 0) is Moments


def test_moment_of_another_zone_is_the_same_moment(db):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL timezone = 'America/Guatemala'")

    moment = asked("SELECT '2027-02-14 22:30:00+00'::timestamptz")

    assert moment == datetime(2027, 2, 14, 22, 30, tzinfo=UTC)
    assert moment.utcoffset() == timedelta(0)


@pytest.mark.parametrize("text", ["infinity", "0044-03-15 BC"])
def test_what_python_cannot_say_is_an_error_as_before(db, text):
    with pytest.raises(DataError):
        asked("SELECT %s::timestamptz", text)
