"""Signing in is limited per address and per account, through the API and on the admin's page alike."""

import pytest
from django.test import Client

from accounts.services import sessions as accounts
from audit.models import AuditLog
from homeproductions.counters import PostgresCounters
from tests.factories import bearer

from .test_throttles import LOGIN, OTHER, WRONG

pytestmark = [pytest.mark.django_db, pytest.mark.rate_limits, pytest.mark.usefixtures("clock")]


def test_account_is_limited_over_all_addresses_in_any_spelling(api, limit):
    limit(account=(3, 900))
    spellings = ["ana@example.com", " ANA@example.com", "Ana@Example.com ", "ana@example.com"]

    answers = [
        api.post(LOGIN, {**WRONG, "email": email}, REMOTE_ADDR=f"198.51.100.{n}") for n, email in enumerate(spellings)
    ]

    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
    assert answers[-1]["RateLimit-Policy"] == "3;w=900"
    assert api.post(LOGIN, {**WRONG, "email": "eva@example.com"}, **OTHER).status_code == 401


def test_one_address_cannot_lock_an_account(api, limit):
    limit(auth=(2, 900), account=(3, 900))
    for _ in range(20):
        api.post(LOGIN, WRONG)

    assert api.post(LOGIN, WRONG, **OTHER).status_code == 401


@pytest.mark.parametrize("body", [{}, [], {"email": 5}, {"email": ["a"]}, {"email": " "}])
def test_sign_in_without_an_account_counts_for_the_address_alone(api, body, limit):
    limit(auth=(1, 900), account=(1, 900))

    assert [api.post(LOGIN, body).status_code for _ in range(2)] == [400, 429]


def test_refused_sign_in_checks_no_password(api, limit, monkeypatch):
    limit(auth=(1, 900))
    checks = []
    monkeypatch.setattr(accounts, "_password_fits", lambda *_: checks.append(1))

    for _ in range(5):
        api.post(LOGIN, WRONG)

    assert len(checks) == 1


def test_reloading_pages_leaves_the_sign_in_alone(api, limit):
    limit(auth=(1, 900))
    for _ in range(20):
        api.post("/api/auth/refresh", {"refreshToken": "old"})
        api.get("/api/auth/me", headers=bearer())

    assert api.post(LOGIN, WRONG).status_code == 401


def test_change_of_password_is_limited_per_user(api, limit):
    limit(account=(2, 900))
    ana, eva = bearer(), bearer()
    body = {"currentPassword": "wrong", "newPassword": "a longer one 4 me"}

    assert [api.post("/api/auth/change-password", body, headers=ana).status_code for _ in range(3)] == [400, 400, 429]
    assert api.post("/api/auth/change-password", body, headers=eva).status_code == 400


# --- The admin's sign-in page -------------------------------------------------------------------------------

ADMIN = "/admin/login/"
ADMIN_FORM = {"username": "ana@example.com", "password": "wrong"}


def test_admin_page_shares_the_limit_and_says_so_in_words(api, limit):
    limit(auth=(2, 900))
    api.post(LOGIN, WRONG)
    client = Client()

    answers = [client.post(ADMIN, ADMIN_FORM) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[1]["Content-Type"].startswith("text/html")
    assert "Too many tries" in answers[1].content.decode()
    assert int(answers[1]["Retry-After"]) == int(answers[1]["RateLimit-Reset"]) > 0
    assert api.post(LOGIN, WRONG).status_code == 429


def test_looking_at_the_admin_page_is_free(limit):
    limit(auth=(1, 900))

    assert {Client().get(ADMIN).status_code for _ in range(5)} == {200}


def test_admin_page_counts_per_account_too(limit):
    limit(account=(1, 900))

    answers = [Client().post(ADMIN, ADMIN_FORM, REMOTE_ADDR=f"198.51.100.{n}").status_code for n in range(2)]

    assert answers == [200, 429]


# --- When counting fails ------------------------------------------------------------------------------------


def test_nobody_signs_in_uncounted(api, no_counting):
    answer = api.post(LOGIN, WRONG)
    page = Client().post(ADMIN, ADMIN_FORM)

    assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE")
    assert (page.status_code, int(answer["Retry-After"]), int(page["Retry-After"])) == (503, 5, 5)
    assert not AuditLog.objects.exists()


def test_counter_that_vanished_is_no_free_ticket(api, monkeypatch):
    monkeypatch.setattr(PostgresCounters, "add", lambda *_: False)

    assert api.post(LOGIN, WRONG).status_code == 503
