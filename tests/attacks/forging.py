"""Makes tokens that look like ours, with and without our keys."""

import base64
import json

import jwt
from django.conf import settings as configured

from accounts.models import User

ME = "/api/auth/me"
PASSWORD = "correct horse battery"


def claims_of(token: object) -> dict:
    return jwt.decode(str(token), options={"verify_signature": False})


def signed(claims: dict, *, key: str | None = None, algorithm: str = "HS256", **headers: str) -> str:
    return jwt.encode(
        claims, configured.JWT_SECRET if key is None else key, algorithm=algorithm, headers=headers or None
    )


def unsigned(claims: dict, algorithm: str) -> str:
    """A token that says of itself that it needs no signature."""
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in ({"alg": algorithm, "typ": "JWT"}, claims)
    ]
    return ".".join([*parts, ""])


def asked_with(api, token: str, path: str = ME):
    return api.get(path, headers={"Authorization": f"Bearer {token}"})


def gone(user):
    User.objects.filter(pk=user.pk).delete()
