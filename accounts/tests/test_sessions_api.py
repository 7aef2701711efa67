import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from accounts.errors import InvalidCredentials, InvalidRefreshToken
from accounts.management.commands import ensure_admin
from accounts.models import RefreshToken, User
from accounts.services import sessions
from audit.models import AuditLog
from homeproductions.errors import Refused
from tests.factories import bearer, make_user

PASSWORD = "correct horse battery"
SESSION_KEYS = {"success", "accessToken", "refreshToken", "user"}


@pytest.fixture
def user(db):
    return User.objects.create_user("ana@example.com", PASSWORD, name="Ana", role="admin")


@pytest.fixture
def session(user):
    return sessions.log_in(email=user.email, password=PASSWORD)


def refresh(api, token, **more):
    return api.post("/api/auth/refresh", {"refreshToken": token, **more})


def refused(response):
    return response.status_code, response.json()["code"]


def test_refresh_needs_nothing_but_the_token(api, session):
    response = refresh(api, session.refresh_token)

    answer = response.json()
    assert (response.status_code, set(answer)) == (200, SESSION_KEYS)
    assert set(answer["user"]) == {"id", "email", "name", "role"}
    assert answer["refreshToken"] != session.refresh_token
    assert refresh(api, answer["refreshToken"]).status_code == 200
    assert RefreshToken.objects.values("family").distinct().count() == 1


def test_new_access_secret_ends_no_session(api, session, settings):
    settings.JWT_SECRET = "another access secret, and long enough"
    bearer = {"Authorization": f"Bearer {session.access_token}"}

    assert refused(api.get("/api/auth/me", headers=bearer)) == (401, "INVALID_TOKEN")
    renewed = refresh(api, session.refresh_token).json()["accessToken"]
    assert api.get("/api/auth/me", headers={"Authorization": f"Bearer {renewed}"}).status_code == 200


def test_new_refresh_secret_ends_sessions_when_their_access_token_ends(api, session, settings):
    settings.JWT_REFRESH_SECRET = "another refresh secret, and long enough"
    bearer = {"Authorization": f"Bearer {session.access_token}"}

    assert refused(refresh(api, session.refresh_token)) == (401, "INVALID_REFRESH_TOKEN")
    assert api.get("/api/auth/me", headers=bearer).status_code == 200


def test_user_id_of_old_clients_must_fit(api, session, user):
    other = make_user()

    assert refused(refresh(api, session.refresh_token, userId=str(other.pk))) == (401, "INVALID_REFRESH_TOKEN")
    assert refresh(api, session.refresh_token, userId=str(user.pk)).status_code == 200


def test_second_tab_is_refused_without_harm(api, session):
    fresh = refresh(api, session.refresh_token).json()["refreshToken"]

    assert refused(refresh(api, session.refresh_token)) == (401, "INVALID_REFRESH_TOKEN")
    assert refresh(api, fresh).status_code == 200
    assert not AuditLog.objects.filter(action="TOKEN_REUSE").exists()


def test_second_tab_may_come_to_a_host_whose_clock_is_ahead(api, session):
    fresh = refresh(api, session.refresh_token).json()["refreshToken"]

    with time_machine.travel(timezone.now() + timedelta(seconds=15)):
        assert refused(refresh(api, session.refresh_token)) == (401, "INVALID_REFRESH_TOKEN")
    assert refresh(api, fresh).status_code == 200


def test_other_sessions_survive_a_stolen_token(api, session, user):
    other = sessions.log_in(email=user.email, password=PASSWORD)
    refresh(api, session.refresh_token)
    RefreshToken.objects.filter(used_at__isnull=False).update(used_at=timezone.now() - timedelta(minutes=1))
    refresh(api, session.refresh_token)

    assert refresh(api, other.refresh_token).status_code == 200


@pytest.mark.parametrize("token", ["nonsense", "ñ", "a.b.c", "0" * 80])
def test_foreign_refresh_token_is_refused(api, db, token):
    assert refused(refresh(api, token)) == (401, "INVALID_REFRESH_TOKEN")


@pytest.mark.parametrize("change", [{"is_active": False}])
def test_inactive_user_cannot_refresh(api, session, change):
    User.objects.update(**change)

    assert refused(refresh(api, session.refresh_token)) == (401, "INVALID_REFRESH_TOKEN")


def test_expired_token_is_refused_and_forgotten(api, session):
    past = timezone.now() - timedelta(days=8)
    RefreshToken.objects.update(created_at=past, expires_at=past + timedelta(days=7))

    assert refused(refresh(api, session.refresh_token)) == (401, "INVALID_REFRESH_TOKEN")
    assert (sessions.delete_expired_tokens(), RefreshToken.objects.count()) == (1, 0)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "MISSING_REQUIRED_FIELDS"),
        ({"refreshToken": ""}, "MISSING_REQUIRED_FIELDS"),
        ({"refreshToken": 5}, "VALIDATION_ERROR"),
        ({"refreshToken": "x", "userId": "abc"}, "VALIDATION_ERROR"),
        ({"refreshToken": "x" * 5000}, "VALIDATION_ERROR"),
    ],
)
def test_bad_refresh_body_is_refused(api, body, code):
    assert refused(api.post("/api/auth/refresh", body)) == (400, code)


THREADS = 32


@pytest.mark.django_db(transaction=True)
def test_of_many_parallel_refreshes_exactly_one_wins():
    user = User.objects.create_user("ana@example.com", PASSWORD, name="Ana")
    token = sessions.log_in(email=user.email, password=PASSWORD).refresh_token
    start = Barrier(THREADS)

    def race(_):
        try:
            start.wait()
            return sessions.refresh(token=token).refresh_token
        except InvalidRefreshToken:
            return None
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as threads:
        winners = [each for each in threads.map(race, range(THREADS)) if each]

    assert len(winners) == 1
    assert sessions.refresh(token=winners[0])  # and the losers did it no harm


def test_logout_ends_everything_at_once(api, session, user):
    other = sessions.log_in(email=user.email, password=PASSWORD)
    headers = {"Authorization": f"Bearer {session.access_token}"}

    response = api.generic("POST", "/api/auth/logout", b"", content_type="application/json", headers=headers)

    assert (response.status_code, set(response.json())) == (200, {"success", "message"})
    assert refused(api.get("/api/auth/me", headers=headers)) == (401, "INVALID_TOKEN")
    assert refused(refresh(api, session.refresh_token)) == (401, "INVALID_REFRESH_TOKEN")
    assert refused(refresh(api, other.refresh_token)) == (401, "INVALID_REFRESH_TOKEN")
    assert AuditLog.objects.filter(action="LOGOUT", user=user).count() == 1


def test_logout_ends_admin_sessions_too(client, user):
    client.force_login(user)
    assert client.get("/admin/").status_code == 200

    user.end_sessions()

    assert client.get("/admin/").status_code == 302


def change(api, session, current=PASSWORD, new="staple-lightning-7"):
    headers = {"Authorization": f"Bearer {session.access_token}"}
    return api.post("/api/auth/change-password", {"currentPassword": current, "newPassword": new}, headers=headers)


def test_password_change_ends_every_session(api, session, user):
    response = change(api, session)

    assert (response.status_code, set(response.json())) == (200, {"success", "message"})
    user.refresh_from_db()
    assert user.check_password("staple-lightning-7")
    assert refused(refresh(api, session.refresh_token)) == (401, "INVALID_REFRESH_TOKEN")
    assert refused(change(api, session)) == (401, "INVALID_TOKEN")
    assert AuditLog.objects.filter(action="PASSWORD_CHANGE", user=user).count() == 1


@pytest.mark.parametrize(
    ("current", "new", "code"),
    [
        ("wrong", "staple-lightning-7", "INVALID_PASSWORD"),
        (PASSWORD, "short-7", "VALIDATION_ERROR"),
        (PASSWORD, PASSWORD, "VALIDATION_ERROR"),
        (PASSWORD, "password123", "VALIDATION_ERROR"),
        (PASSWORD, "x1" * 65, "VALIDATION_ERROR"),
        (PASSWORD, "", "MISSING_REQUIRED_FIELDS"),
        ("", "staple-lightning-7", "MISSING_REQUIRED_FIELDS"),
    ],
)
def test_refused_password_change_changes_nothing(api, session, user, current, new, code):
    assert refused(change(api, session, current, new)) == (400, code)
    user.refresh_from_db()
    assert user.check_password(PASSWORD)
    assert refresh(api, session.refresh_token).status_code == 200


def test_me_is_in_snake_case(api, user):
    answer = api.get("/api/auth/me", headers=bearer(user)).json()

    assert set(answer["user"]) == {"id", "email", "name", "role", "last_login_at", "created_at"}
    assert (answer["user"]["role"], answer["user"]["last_login_at"]) == ("admin", None)


@pytest.mark.parametrize(("method", "path"), [("post", "logout"), ("post", "change-password"), ("get", "me")])
def test_own_account_needs_a_token(api, method, path):
    assert refused(getattr(api, method)(f"/api/auth/{path}")) == (401, "NO_TOKEN")


@pytest.fixture
def first_admin(settings, db):
    settings.DEFAULT_ADMIN_EMAIL = "Boss@Example.com"
    settings.DEFAULT_ADMIN_PASSWORD = "a strong one, please"


def test_first_admin_is_made_once_and_never_reset(first_admin, settings):
    call_command("ensure_admin")
    settings.DEFAULT_ADMIN_PASSWORD = "another strong one"
    call_command("ensure_admin")

    boss = User.objects.get()
    assert (boss.email, boss.name, boss.role) == ("boss@example.com", "Admin", "superadmin")
    assert boss.check_password("a strong one, please")


@pytest.mark.parametrize("password", ["short", "password", "12345678901234"])
def test_weak_first_password_is_refused(first_admin, settings, password):
    settings.DEFAULT_ADMIN_PASSWORD = password

    with pytest.raises(CommandError):
        call_command("ensure_admin")
    assert User.objects.count() == 0


@pytest.mark.parametrize("variable", ["DEFAULT_ADMIN_EMAIL", "DEFAULT_ADMIN_PASSWORD"])
def test_first_admin_needs_both_variables(first_admin, settings, variable, capsys):
    setattr(settings, variable, "")

    call_command("ensure_admin")
    assert User.objects.count() == 0
    assert capsys.readouterr() == ("", f"{ensure_admin.NOBODY}\n")


def test_house_with_an_admin_needs_no_other(db, settings, capsys):
    settings.DEFAULT_ADMIN_EMAIL = ""
    User.objects.create_superuser("boss@example.com", PASSWORD)

    call_command("ensure_admin")
    assert capsys.readouterr() == ("Nothing to do.\n", "")


@pytest.mark.parametrize("fields", [{"role": "staff"}, {"role": "superadmin", "is_active": False}], ids=str)
def test_first_admin_who_is_none_any_more_is_said(first_admin, fields, capsys):
    User.objects.create_user("boss@example.com", PASSWORD, name="Ana", **fields)

    call_command("ensure_admin")
    assert capsys.readouterr() == ("", f"{ensure_admin.NOT_THEM}\n")


def race(first, second, rounds=20):
    """Run both in the same moment, again and again; returns what the second one returned each time."""
    results = []
    for _ in range(rounds):
        user = User.objects.create_user(f"r{User.objects.count()}@example.com", PASSWORD, name="Ana")
        token = sessions.log_in(email=user.email, password=PASSWORD).refresh_token
        start = Barrier(2)

        def run(act, user=user, token=token, start=start):
            try:
                start.wait()
                return act(User.objects.get(pk=user.pk), token)
            except Refused:
                return None
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as threads:
            futures = [threads.submit(run, act) for act in (first, second)]
        results.append(futures[1].result())
    return results


def survivors(opened):
    alive = []
    for session in filter(None, opened):
        try:
            alive.append(sessions.refresh(token=session.refresh_token))
        except InvalidRefreshToken:
            continue
    return alive


@pytest.mark.django_db(transaction=True)
def test_refresh_in_the_moment_of_a_logout_does_not_survive_it():
    opened = race(lambda user, token: sessions.log_out(user), lambda user, token: sessions.refresh(token=token))

    assert survivors(opened) == []


@pytest.mark.django_db(transaction=True)
def test_control_without_the_users_lock_a_session_survives(monkeypatch):
    open_session = sessions._open_session
    monkeypatch.setattr(sessions, "_lock_unchanged", lambda user: True)
    monkeypatch.setattr(sessions, "_open_session", lambda *args, **kw: time.sleep(0.05) or open_session(*args, **kw))

    opened = race(lambda user, token: sessions.log_out(user), lambda user, token: sessions.refresh(token=token))

    assert survivors(opened) != []


def test_login_with_the_old_password_does_not_survive_its_change(user, monkeypatch):
    def change_meanwhile(password, stored):
        User.objects.get(pk=user.pk).end_sessions()
        return True

    monkeypatch.setattr(sessions, "check_password", change_meanwhile)

    with pytest.raises(InvalidCredentials):
        sessions.log_in(email=user.email, password=PASSWORD)


def test_unknown_account_costs_a_hash_as_well(db, monkeypatch):
    hashed = []
    monkeypatch.setattr(sessions, "make_password", hashed.append)

    with pytest.raises(InvalidCredentials):
        sessions.log_in(email="nobody@example.com", password="guess")
    assert hashed == ["guess"]


def test_password_set_anywhere_ends_every_session(api, session, user):
    user.set_password("staple-lightning-7")
    user.save()

    assert refused(refresh(api, session.refresh_token)) == (401, "INVALID_REFRESH_TOKEN")
    row = AuditLog.objects.get(action="PASSWORD_CHANGE")
    assert (row.entity_id, row.user) == (user.pk, None)


def test_admin_page_sign_ins_are_audited(client, user):
    for password in ("wrong", PASSWORD):
        client.post("/admin/login/", {"username": user.email, "password": password})
    client.post("/admin/logout/")

    rows = list(AuditLog.objects.order_by("created_at").values_list("action", "entity_id"))
    assert rows == [("LOGIN_FAILED", user.pk), ("LOGIN", user.pk), ("LOGOUT", user.pk)]
