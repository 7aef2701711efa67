"""Refresh tokens in the wrong hands: whoever uses one twice ends the session for both."""

import uuid
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.conf import settings as configured
from django.db.models import F

from accounts.models import RefreshToken, User
from accounts.services import sessions
from accounts.tokens import RefreshJWT
from audit.models import AuditLog
from tests.factories import make_user

from .forging import PASSWORD, asked_with, claims_of, gone, signed, unsigned


@pytest.fixture
def login(db):
    user = User.objects.create_user("ana@example.com", PASSWORD, name="Ana", role="admin")
    return sessions.log_in(email=user.email, password=PASSWORD)


def refresh(api, token, **more):
    return api.post("/api/auth/refresh", {"refreshToken": token, **more})


@contextmanager
def later(seconds: int):
    """As if what was used so far had been used so much earlier: the database's clock decides, and cannot be moved."""
    used = RefreshToken.objects.filter(used_at__isnull=False)
    used.update(used_at=F("used_at") - timedelta(seconds=seconds))
    yield


def test_thief_who_comes_second_ends_the_session_for_both(api, login):
    owner = refresh(api, login.refresh_token).json()

    with later(60):
        thief = refresh(api, login.refresh_token)
        own = refresh(api, owner["refreshToken"])

    assert (thief.status_code, own.status_code) == (401, 401)
    assert asked_with(api, owner["accessToken"]).status_code == 401
    assert AuditLog.objects.filter(action="TOKEN_REUSE").count() == 1


def test_control_without_the_watch_the_thief_keeps_the_session(api, login, monkeypatch):
    monkeypatch.setattr(sessions, "_suspect_theft", lambda token_id: None)
    thief = refresh(api, login.refresh_token).json()

    with later(60):
        assert refresh(api, login.refresh_token).status_code == 401
        assert refresh(api, thief["refreshToken"]).status_code == 200


def test_thief_who_comes_first_is_found_out_by_the_owner(api, login):
    thief = refresh(api, login.refresh_token).json()
    with later(60):
        further = refresh(api, thief["refreshToken"]).json()
    with later(120):
        refresh(api, login.refresh_token)  # the owner's browser wakes up
        assert refresh(api, further["refreshToken"]).status_code == 401
        assert asked_with(api, further["accessToken"]).status_code == 401


def test_each_token_of_the_chain_gives_the_theft_away(api, login):
    chain = [login.refresh_token]
    for step in range(3):
        with later(60 * step):
            chain.append(refresh(api, chain[-1]).json()["refreshToken"])

    with later(600):
        assert refresh(api, chain[1]).status_code == 401
        assert refresh(api, chain[-1]).status_code == 401


@pytest.mark.parametrize("change", [{"is_active": False}, {"token_version": 99}])
def test_refresh_of_somebody_who_left_is_refused(api, login, change):
    User.objects.update(**change)

    answer = refresh(api, login.refresh_token)

    if "is_active" in change:
        assert (answer.status_code, answer.json()["code"]) == (401, "INVALID_REFRESH_TOKEN")
    else:
        assert claims_of(answer.json()["accessToken"])["ver"] == 99


def test_refresh_of_a_deleted_user_is_refused(api, db):
    user = make_user("admin")
    token = sessions._open_session(user, family=uuid.uuid4()).refresh_token
    gone(user)

    assert refresh(api, token).json()["code"] == "INVALID_REFRESH_TOKEN"


def refresh_forgeries(login):
    good = claims_of(login.refresh_token)
    yield unsigned(good, "none")
    yield signed(good)  # with the key of access tokens
    yield signed(good, key="x" * 48)
    yield signed({**good, "token_type": "access"}, key=configured.JWT_REFRESH_SECRET)
    yield signed({**good, "jti": uuid.uuid4().hex}, key=configured.JWT_REFRESH_SECRET)  # signed well, never given out
    yield signed({name: value for name, value in good.items() if name != "exp"}, key=configured.JWT_REFRESH_SECRET)
    yield str(RefreshJWT.of(login.user))
    yield login.refresh_token + "="
    yield " " + login.refresh_token[:-1]
    yield login.access_token
    yield RefreshToken.objects.get().token_hash


def test_forged_refresh_tokens_buy_nothing(api, login):
    answers = [refresh(api, token) for token in refresh_forgeries(login)]

    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(401, "INVALID_REFRESH_TOKEN")}
    assert RefreshToken.objects.count() == 1
    assert refresh(api, login.refresh_token).status_code == 200
