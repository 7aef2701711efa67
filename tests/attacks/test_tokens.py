"""Tokens that are not what they seem: forged, of another kind, of somebody who is gone, stolen."""

import base64
import json
import uuid
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from django.conf import settings as configured
from django.contrib.auth.tokens import default_token_generator
from django.core.signing import Signer
from django.test import Client

from accounts.models import RefreshToken, User
from accounts.services import passwords, sessions, staff
from accounts.tokens import AccessToken
from newsletter import links as newsletter_links
from newsletter.models import Subscriber
from orders import codes, links
from tests.factories import make_event, make_order, make_tier, make_user

from .forging import ME, PASSWORD, asked_with, claims_of, gone, signed, unsigned
from .routes import api_routes

OFFICE = "/api/admin/payments"  # for admins, not for the door


@pytest.fixture
def user(db):
    return make_user("admin")


def forgeries(user: User):
    """Under the name of each a token that must open nothing."""
    good = claims_of(AccessToken.of(user))
    text = str(AccessToken.of(user))
    head, body, signature = text.split(".")
    yield from ((f"alg {name}", unsigned(good, name)) for name in ("none", "None", "NONE", "nOnE", "", "HS256"))
    yield "other secret", signed(good, key="x" * 48)
    yield "empty secret", unsigned(good, "HS256") + base64.urlsafe_b64encode(b"\0" * 32).decode().rstrip("=")
    yield "the refresh secret", signed(good, key=configured.JWT_REFRESH_SECRET)
    yield "Django's secret", signed(good, key=configured.SECRET_KEY)
    yield "HS512", signed(good, algorithm="HS512")
    yield "key from a header", signed(good, key="x" * 48, jwk='{"kty":"oct","k":"eHh4"}', kid="../../dev/null")
    for claim in ("exp", "type", "token_type", "iss", "sub", "ver", "jti"):
        yield f"no {claim}", signed({name: value for name, value in good.items() if name != claim})
    changes = {"type": "refresh", "token_type": "refresh", "iss": "somebody", "ver": user.token_version + 1}
    changes |= {"exp": datetime.now(UTC) - timedelta(hours=1), "sub": str(uuid.uuid4())}
    for claim, value in changes.items():
        yield f"other {claim}", signed({**good, claim: value})
    for claim, value in {"exp": "never", "sub": "' OR 1=1", "ver": None, "type": ["access"], "iat": "soon"}.items():
        yield f"{claim} of another kind", signed({**good, claim: value})
    for value in ("1795000000", 10**400, 1e300, [1]):
        yield f"exp {str(value)[:12]}", signed_anyhow({**good, "exp": value})
    for value in ({"a": 1}, 1.5, None, True, "0", user.email):
        yield f"sub {value}", signed_anyhow({**good, "sub": value})
    yield "not yet", signed({**good, "nbf": datetime.now(UTC) + timedelta(hours=1)})
    yield "issued later", signed({**good, "iat": datetime.now(UTC) + timedelta(hours=1)})
    yield "other role", f"{head}.{changed(body, role='superadmin')}.{signature}"
    yield "other user", f"{head}.{changed(body, sub=str(make_user('superadmin').pk))}.{signature}"
    yield "no signature", f"{head}.{body}."
    yield "two parts", f"{head}.{body}"
    yield "four parts", f"{text}.{signature}"
    yield "signature of another", f"{head}.{body}.{str(AccessToken.of(make_user())).split('.')[2]}"
    yield "blank inside", f"{head}. {body}.{signature}"
    yield "not base64", "!!!.???.%%%"
    yield "no JSON", signed_bytes(b"[" * 5000)
    yield "list of claims", signed_bytes(b"[]")
    yield "not ASCII", "ñ.ñ.ñ"
    yield "nothing", ""
    yield "a lot", "a" * 100_000


def signed_anyhow(claims: dict) -> str:
    """With claims that the library refuses to sign."""
    return signed_bytes(json.dumps({**claims}, default=str).encode())


def signed_bytes(payload: bytes) -> str:
    return jwt.api_jws.PyJWS().encode(payload, configured.JWT_SECRET, algorithm="HS256")


def changed(body: str, **claims: object) -> str:
    known = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return base64.urlsafe_b64encode(json.dumps({**known, **claims}).encode()).rstrip(b"=").decode()


def test_forged_tokens_open_nothing(api, user):
    refused = {
        name: (answer.status_code, answer.json()["code"])
        for name, token in forgeries(user)
        for answer in [asked_with(api, token)]
    }

    assert {name: answer for name, answer in refused.items() if answer != (401, "INVALID_TOKEN")} == {}
    assert len(refused) > 45


def test_control_token_that_was_signed_here_opens(api, user):
    assert asked_with(api, signed(claims_of(AccessToken.of(user)))).status_code == 200
    assert asked_with(api, str(AccessToken.of(user)), OFFICE).status_code == 200


def test_control_check_that_skips_the_signature_is_noticed(api, user, monkeypatch):
    backend = AccessToken().get_token_backend()
    monkeypatch.setattr(
        type(backend), "decode", lambda self, token, verify=True: jwt.decode(token, options={"verify_signature": False})
    )

    opened = [name for name, token in forgeries(user) if asked_with(api, token).status_code == 200]

    assert {"alg none", "other secret", "HS512", "other user"} <= set(opened)


@pytest.mark.parametrize("scheme", ["bearer ", "BEARER ", "Token ", "Basic ", "", "Bearer", "Bearer\t"])
def test_token_under_another_scheme_is_no_token(api, user, scheme):
    answer = api.get(ME, headers={"Authorization": f"{scheme}{AccessToken.of(user)}"})

    assert (answer.status_code, answer.json()["code"]) == (401, "NO_TOKEN")


def test_token_beside_the_header_is_no_token(api, user):
    token = str(AccessToken.of(user))
    api.cookies["access_token"] = api.cookies["Authorization"] = token

    answers = [api.get(f"{ME}?{name}={token}") for name in ("token", "access_token", "authorization", "jwt")]
    answers.append(api.get(ME, headers={"X-Authorization": f"Bearer {token}", "X-Forwarded-User": user.email}))

    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(401, "NO_TOKEN")}


# --- People who are gone, or less than they were ---------------------------------------------------------------------


def deactivated(user):
    staff.deactivate(user.pk, actor=make_user("superadmin"))


def signed_out(user):
    sessions.log_out(user)


@pytest.mark.parametrize("end", [gone, deactivated, signed_out])
def test_token_of_somebody_who_left_opens_nothing(api, user, end):
    token = str(AccessToken.of(user))
    assert asked_with(api, token).status_code == 200

    end(user)

    assert asked_with(api, token).json()["code"] == "INVALID_TOKEN"


def test_demoted_user_is_what_they_are_now_and_not_what_the_token_says(api, user):
    before = str(AccessToken.of(user))
    User.objects.filter(pk=user.pk).update(role="staff")
    now = str(AccessToken.of(User.objects.get(pk=user.pk)))
    claimed = signed({**claims_of(now), "role": "superadmin"})  # as if the key were known

    assert claims_of(before)["role"] == "admin"
    assert [asked_with(api, token, OFFICE).json()["code"] for token in (before, now, claimed)] == ["FORBIDDEN"] * 3


def test_role_taken_away_in_the_office_ends_the_token_too(api, user):
    token = str(AccessToken.of(user))
    staff.change_role(user.pk, role="staff", actor=make_user("superadmin"))

    assert asked_with(api, token, OFFICE).status_code in (401, 403)


# --- One kind of token in the place of another ------------------------------------------------------------------------


def keys_of(user, order, subscriber) -> dict[str, str]:
    """Everything that opens something somewhere."""
    session = sessions.log_in(email=user.email, password=PASSWORD)
    user.refresh_from_db()
    reader = newsletter_links.unsubscribe_url(subscriber.pk).rstrip("/").rpartition("/")[2]
    confirm = newsletter_links.confirm_url(subscriber.pk, subscriber.subscribed_at).rstrip("/").rpartition("/")[2]
    return {
        "access": session.access_token,
        "refresh": session.refresh_token,
        "order page": links.token_of(order),
        "ticket": codes.code_for(order.pk, order.code_version),
        "order number": order.order_number,
        "order id": str(order.pk),
        "leave": reader,
        "confirm": confirm,
        "password": passwords.LINK_TOKENS.make_token(user),
        "Django's own password": default_token_generator.make_token(user),
        "signed by Django": Signer().sign_object(str(order.pk)),
        "session": RefreshToken.objects.first().token_hash,
    }


@pytest.fixture
def keys(db):
    user = User.objects.create_user("ana@example.com", PASSWORD, name="Ana", role="superadmin")
    order = make_order(make_tier(make_event()), "paid")
    subscriber = Subscriber.objects.create(email="lucia@example.com", is_active=False)
    return user, keys_of(user, order, subscriber)


def doors(api, user):
    """What each of them is tried on: opened or not."""
    page = Client(raise_request_exception=False)

    def refreshed(token):
        return api.post("/api/auth/refresh", {"refreshToken": token})

    return {
        "access": lambda token: asked_with(api, token),
        "refresh": refreshed,
        "order page": lambda token: page.get(f"/orders/{token}/"),
        "leave": lambda token: page.get(f"/newsletter/unsubscribe/{token}/"),
        "confirm": lambda token: page.get(f"/newsletter/confirm/{token}/"),
        "password": lambda token: page.get(f"/admin/set-password/{user.pk}/{token}/"),
    }


def test_each_key_opens_its_own_door_and_no_other(api, keys):
    user, texts = keys
    tried = doors(api, user)

    opened = {
        (door, name)
        for door, try_it in tried.items()
        for name, text in texts.items()
        if try_it(text).status_code == 200
    }

    assert opened == {(door, door) for door in tried}


def test_nothing_but_the_ticket_lets_in_at_the_door(api, keys):
    user, texts = keys
    door = {"Authorization": f"Bearer {AccessToken.of(User.objects.get(pk=user.pk))}"}
    # What a person at the door may type in instead of scanning, by contract.
    typed = {"ticket", "order number", "order id"}

    for name in texts.keys() - typed:
        answer = api.post("/api/checkin", {"qr_code": texts[name]}, headers=door)
        assert (name, answer.status_code) == (name, 404)
    assert api.post("/api/checkin", {"qr_code": texts["ticket"]}, headers=door).status_code == 200


def test_control_two_doors_with_one_key_are_noticed(api, keys, monkeypatch):
    monkeypatch.setattr(newsletter_links, "_signer", lambda page: Signer(salt="one for all", sep="."))
    user, _ = keys
    reader = Subscriber.objects.get()
    token = newsletter_links.confirm_url(reader.pk, reader.subscribed_at).rstrip("/").rpartition("/")[2]

    assert doors(api, user)["leave"](token).status_code == 200


def test_proof_of_one_order_shows_no_other(api, db):
    mine, other = make_order(), make_order(buyer_name="Berta Morales")

    answer = api.get(f"/api/orders/{other.order_number}?token={links.token_of(mine)}").json()

    assert answer["order"]["buyerName"] == "B*** M***"


def test_every_staff_route_asks_for_a_token(api, db):
    """Whoever forgets the permission of a new route is told here."""
    open_doors = {"/api/events", "/api/orders", "/api/gallery", "/api/newsletter", "/api/webhook", "/api/schema"}
    open_doors |= {"/api/docs", "/api/auth/login", "/api/auth/refresh", "/health", "/metrics", "/api/nothing"}
    staff_only = [route for route in api_routes() if not route.template.startswith(tuple(open_doors))]

    for route in staff_only:
        for method in route.methods:
            answer = api.generic(method, route.filled("x"), b"{}", content_type="application/json")
            assert (route.template, answer.status_code, answer.json()["code"]) == (route.template, 401, "NO_TOKEN")
    assert len(staff_only) > 25
