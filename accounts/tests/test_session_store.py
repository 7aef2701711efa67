"""Sessions of the admin site: a copy of their table opens nothing."""

from datetime import timedelta

from django.contrib.sessions.models import Session
from django.utils import timezone

from accounts.session_store import SessionStore, stored
from homeproductions import chores
from tests.factories import make_user


def signed_in(client):
    client.force_login(make_user("admin"))
    return client.cookies["sessionid"].value


def test_key_of_a_session_is_stored_as_a_hash(client, db):
    key = signed_in(client)

    assert client.get("/admin/").status_code == 200
    assert Session.objects.get().session_key == stored(key) != key


def test_what_stands_in_the_table_is_no_cookie(client, db):
    signed_in(client)
    client.cookies["sessionid"] = Session.objects.get().session_key

    assert client.get("/admin/").status_code == 302


def test_session_ends_with_its_row_and_keeps_what_it_holds(db):
    session = SessionStore()
    session["said"] = 1
    session.create()
    again = SessionStore(session.session_key)
    again["more"] = 2
    again.save()

    assert dict(SessionStore(session.session_key).items()) == {"said": 1, "more": 2}
    assert SessionStore().exists(session.session_key)
    again.cycle_key()
    assert (SessionStore(session.session_key).load(), Session.objects.count()) == ({}, 1)
    again.flush()
    assert Session.objects.count() == 0


def test_ended_sessions_are_deleted_by_the_worker(client, db):
    signed_in(client)
    ended = SessionStore()
    ended.create()
    Session.objects.filter(session_key=stored(ended.session_key)).update(
        expire_date=timezone.now() - timedelta(minutes=1)
    )

    chores.CHORES["delete expired admin sessions"].function()

    assert not SessionStore().exists(ended.session_key)
    assert Session.objects.count() == 1
