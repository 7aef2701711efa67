import hashlib

import jwt
import pytest
from django.conf import settings

from accounts.models import RefreshToken, User
from accounts.tokens import AccessToken, RefreshJWT
from audit.models import AuditLog
from tests.factories import make_user

PASSWORD = "correct horse battery"


@pytest.fixture
def user(db):
    return User.objects.create_user("Door@Example.com", PASSWORD, name="Door", role="staff")


def log_in(api, email="door@example.com", password=PASSWORD):
    return api.post("/api/auth/login", {"email": email, "password": password}, headers={"User-Agent": "Phone"})


def test_login_answers_tokens_and_user(api, user):
    response = log_in(api, email=" DOOR@example.com ")

    answer = response.json()
    assert (response.status_code, set(answer)) == (200, {"success", "accessToken", "refreshToken", "user"})
    assert answer["user"] == {"id": str(user.pk), "email": "door@example.com", "name": "Door", "role": "staff"}
    user.refresh_from_db()
    assert user.last_login is not None


def test_access_token_has_the_contracts_claims(api, user):
    token = log_in(api).json()["accessToken"]

    claims = jwt.decode(token, settings.JWT_SECRET, algorithms=["HS256"], issuer="home-productions")
    assert (claims["sub"], claims["email"], claims["role"], claims["type"]) == (
        str(user.pk),
        user.email,
        "staff",
        "access",
    )
    assert claims["exp"] - claims["iat"] == 15 * 60


def test_refresh_token_is_stored_only_as_its_hash(api, user):
    token = log_in(api).json()["refreshToken"]

    stored = RefreshToken.objects.get()
    assert (stored.token_hash, stored.user) == (hashlib.sha256(token.encode()).hexdigest(), user)
    assert jwt.decode(token, settings.JWT_REFRESH_SECRET, algorithms=["HS256"])["sub"] == str(user.pk)


def test_login_is_audited_with_address_and_agent(api, user):
    log_in(api)

    row = AuditLog.objects.get()
    assert (row.action, row.user, row.ip_address, row.user_agent) == ("LOGIN", user, "127.0.0.1", "Phone")


@pytest.mark.parametrize(
    ("email", "password"),
    [("door@example.com", "wrong"), ("nobody@example.com", PASSWORD), ("door@example.com", "x" * 5000)],
)
def test_wrong_credentials_get_one_answer_and_an_audit_row(api, user, email, password):
    response = log_in(api, email, password)

    assert (response.status_code, response.json()["code"]) == (401, "INVALID_CREDENTIALS")
    assert (AuditLog.objects.get().action, RefreshToken.objects.count()) == ("LOGIN_FAILED", 0)


def test_inactive_user_gets_the_same_answer(api, user):
    User.objects.update(is_active=False)

    assert log_in(api).json()["code"] == "INVALID_CREDENTIALS"


@pytest.mark.real_bcrypt
def test_passwords_are_hashed_with_twelve_rounds(db):
    user = User.objects.create_user("a@example.com", "ñ" * 100)

    assert user.password.startswith("bcrypt_sha256$$2b$12$")
    assert user.check_password("ñ" * 100)
    assert not user.check_password("ñ" * 99)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "MISSING_REQUIRED_FIELDS"),
        ({"email": "a@b.co"}, "MISSING_REQUIRED_FIELDS"),
        ({"email": "a@b.co", "password": ""}, "MISSING_REQUIRED_FIELDS"),
        ({"email": 5, "password": "x"}, "VALIDATION_ERROR"),
        ({"email": "a@b.co", "password": ["x"]}, "VALIDATION_ERROR"),
        ({"email": "x" * 256, "password": "x"}, "VALIDATION_ERROR"),
    ],
)
def test_bad_login_body_is_refused(api, body, code):
    response = api.post("/api/auth/login", body)

    assert (response.status_code, response.json()["code"]) == (400, code)


def verify_with(api, token):
    response = api.get("/api/checkin/verify/x", headers={"Authorization": f"Bearer {token}"})
    return response.status_code, response.json()["code"]


def test_token_opens_the_door(api, user):
    assert verify_with(api, AccessToken.of(user)) == (404, "ORDER_NOT_FOUND")


def forge(user, secret=None, **changes):
    claims = {"iss": "home-productions", **AccessToken.of(user).payload, **changes}
    claims = {key: value for key, value in claims.items() if value is not None}
    return jwt.encode(claims, secret or settings.JWT_SECRET, algorithm="HS256")


@pytest.mark.parametrize(
    "change",
    [{"type": "refresh"}, {"iss": "other"}, {"exp": 1}, {"exp": None}, {"sub": "abc"}, {"sub": None}, {"ver": None}],
    ids=str,
)
def test_forged_claims_are_refused(api, user, change):
    assert verify_with(api, forge(user)) == (404, "ORDER_NOT_FOUND")
    assert verify_with(api, forge(user, **change)) == (401, "INVALID_TOKEN")


def test_other_secret_other_kind_and_no_algorithm_are_refused(api, user):
    unsigned = jwt.encode(AccessToken.of(user).payload, None, algorithm="none")

    for token in (forge(user, secret="x" * 40), RefreshJWT.of(user), unsigned):
        assert verify_with(api, token) == (401, "INVALID_TOKEN")


@pytest.mark.parametrize("change", [{"is_active": False}, {"token_version": 2}])
def test_token_ends_with_the_users_rights(api, user, change):
    token = AccessToken.of(user)
    User.objects.update(**change)

    assert verify_with(api, token) == (401, "INVALID_TOKEN")


def test_superuser_can_be_made_by_command(db):
    user = User.objects.create_superuser("boss@example.com", PASSWORD)

    assert (user.role, user.is_superuser, make_user("staff").is_superuser) == ("superadmin", True, False)
