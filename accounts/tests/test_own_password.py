"""The pages on which staff set their own password."""

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.services import passwords, sessions, staff
from audit.models import AuditLog
from homeproductions.errors import Refused
from homeproductions.logs import scrub
from homeproductions.mail.delivery import process_due
from homeproductions.mail.models import OutboxEmail
from homeproductions.mail.registry import render
from tests.factories import make_user

OLD, NEW = "correct horse battery", "staple-lightning-7"
PAGE = "/admin/password_change/"


@pytest.fixture
def ana(db):
    return User.objects.create_user("ana@example.com", OLD, name="Ana", role="admin")


def link(user):
    return f"/admin/set-password/{user.pk}/{passwords.LINK_TOKENS.make_token(user)}/"


def choose(client, path, new=NEW, again=None):
    return client.post(path, {"new": new, "again": new if again is None else again})


def can_sign_in(user, password):
    try:
        return bool(sessions.log_in(email=user.email, password=password))
    except Refused:
        return False


def test_invitation_leads_to_a_first_sign_in(client, db):
    staff.invite(email="eva@example.com", name="Eva", role="staff", actor=make_user("superadmin"))
    process_due()
    [message] = mail.outbox
    [in_text] = re.findall(r"http\S+/admin/set-password\S+", message.body)
    assert in_text in message.alternatives[0][0]

    path = in_text.partition("/admin")[1] + in_text.partition("/admin")[2]
    assert (message.to, client.get(path).status_code) == (["eva@example.com"], 200)
    assert choose(client, path).status_code == 302
    page = client.get(PAGE, follow=True)
    assert "Your password is set. Please sign in with it." in page.content.decode()

    client.post(page.request["PATH_INFO"], {"username": "eva@example.com", "password": NEW, "next": PAGE})
    assert client.get(PAGE).status_code == 200
    eva = User.objects.get(email="eva@example.com")
    rows = list(AuditLog.objects.filter(entity_id=eva.pk).order_by("created_at").values_list("action", "user__email"))
    assert rows[1:] == [("PASSWORD_CHANGE", eva.email), ("LOGIN", eva.email)]


def test_link_works_once(client, ana):
    path = link(ana)

    assert choose(client, path).status_code == 302
    assert choose(client, path, new="another-lightning-8").status_code == 404
    assert (can_sign_in(ana, NEW), client.get(path).status_code) == (True, 404)


def test_opening_a_link_changes_nothing(client, ana):
    before = User.objects.values().get()

    client.get(link(ana))

    assert (User.objects.values().get(), AuditLog.objects.count()) == (before, 0)


def test_new_password_by_link_ends_every_session(api, client, ana):
    session = sessions.log_in(email=ana.email, password=OLD)
    ana.refresh_from_db()

    choose(client, link(ana))

    headers = {"Authorization": f"Bearer {session.access_token}"}
    assert (api.get("/api/auth/me", headers=headers).status_code, can_sign_in(ana, OLD)) == (401, False)


def spoil(**fields):
    return lambda ana: User.objects.filter(pk=ana.pk).update(**fields)


@pytest.mark.parametrize(
    "change",
    [
        spoil(is_active=False),
        spoil(password="other"),
        spoil(last_login=timezone.now()),
        lambda ana: ana.end_sessions(),
        lambda ana: ana.delete(),
    ],
    ids=["deactivated", "other password", "signed in", "signed out", "gone"],
)
def test_link_dies_with_what_it_was_for(client, ana, change):
    path = link(ana)
    change(ana)

    response = choose(client, path)
    assert (response.status_code, "does not work" in response.content.decode()) == (404, True)
    assert AuditLog.objects.filter(action="PASSWORD_CHANGE").count() == 0


def test_link_dies_of_age(client, ana, settings):
    settings.PASSWORD_RESET_TIMEOUT = -1

    assert choose(client, link(ana)).status_code == 404


def test_link_of_one_is_none_of_another(client, ana):
    other = make_user("superadmin")
    path = link(ana).replace(str(ana.pk), str(other.pk))

    assert choose(client, path).status_code == 404
    assert User.objects.get(pk=other.pk).password == other.password


@pytest.mark.parametrize(
    ("new", "again"),
    [
        ("short-7", None),
        ("password123", None),
        (NEW, "another"),
        ("x1-" * 43, None),
        ("", ""),
        ("ana@example.com", None),
    ],
)
def test_weak_or_mistyped_password_is_refused(client, ana, new, again):
    path = link(ana)

    response = choose(client, path, new, again)

    assert (response.status_code, "errorlist" in response.content.decode()) == (422, True)
    assert can_sign_in(ana, OLD)


@pytest.mark.rate_limits
def test_link_page_is_limited_like_the_sign_in(client, ana, settings):
    limit, _ = settings.RATE_LIMITS["auth"]

    statuses = [choose(client, f"/admin/set-password/{ana.pk}/guess/").status_code for _ in range(limit + 1)]

    assert statuses == [404] * limit + [429]


def test_link_is_neither_in_the_logs_nor_in_the_outbox(ana):
    path = link(ana)
    token = path.split("/")[-2]
    assert token.partition("-")[2] not in scrub(None, "info", {"request": f"POST {path}"})["request"]

    staff.send_link(ana.pk, actor=make_user("superadmin"))
    email = OutboxEmail.objects.get()
    shown = render(email, is_preview=True)
    sent = render(email)
    assert token in sent.body
    for text in (str(email.context), email.subject, shown.body, shown.alternatives[0][0]):
        assert token not in text


# --- Knowing the old one -------------------------------------------------------------------------------------


def change(client, old=OLD, new=NEW):
    return client.post(PAGE, {"old_password": old, "new_password1": new, "new_password2": new})


def test_own_change_keeps_this_session_and_ends_the_others(client, ana):
    client.force_login(ana)
    elsewhere = Client()
    elsewhere.force_login(ana)
    token = sessions.log_in(email=ana.email, password=OLD).refresh_token

    response = change(client)

    assert (response.status_code, response.url) == (302, "/admin/password_change/done/")
    assert (client.get(PAGE).status_code, elsewhere.get(PAGE).status_code) == (200, 302)
    with pytest.raises(Refused):
        sessions.refresh(token=token)
    row = AuditLog.objects.get(action="PASSWORD_CHANGE")
    assert (row.user, row.entity_id) == (ana, ana.pk)


@pytest.mark.parametrize(("old", "new"), [("wrong", NEW), (OLD, OLD), (OLD, "short-7"), (OLD, "x1-" * 43)])
def test_refused_own_change_changes_nothing(client, ana, old, new):
    client.force_login(ana)

    assert change(client, old, new).status_code == 200
    assert can_sign_in(ana, OLD)


def test_own_change_needs_a_sign_in(client, db):
    assert client.get(PAGE).status_code == 302


@pytest.mark.rate_limits
def test_guesses_of_the_old_password_are_limited(client, ana, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "account": (2, 900)}
    client.force_login(ana)

    assert [change(client, old="wrong").status_code for _ in range(3)] == [200, 200, 429]


def test_link_in_the_mail_says_how_long_it_lives(ana, settings):
    settings.PASSWORD_RESET_TIMEOUT = timedelta(days=5).total_seconds()
    staff.send_link(ana.pk, actor=make_user("superadmin"))

    assert "for 5 days" in render(OutboxEmail.objects.get()).body
