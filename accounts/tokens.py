"""Access and refresh tokens: two kinds of JWT under two secrets, so that neither can pass for the other."""

import hashlib
from functools import cache
from typing import Any

from django.conf import settings
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import Token

from .models import User

ISSUER = "home-productions"
LEEWAY_SECONDS = 10  # two hosts' clocks are never quite the same


class SignedToken(Token):
    """Raises TokenError for whatever is wrong with a token, claims of a kind that the library does not expect too."""

    def __init__(self, token: Any = None, verify: bool = True) -> None:
        if token is None:
            super().__init__(None, verify)
            return
        try:
            super().__init__(token, verify)
        except (OverflowError, TypeError, ValueError) as error:
            raise TokenError("The token's claims cannot be read.") from error


class AccessToken(SignedToken):
    """Proves who is calling for 15 minutes. Carries the user's token version: raising that ends it at once."""

    token_type = "access"
    lifetime = settings.JWT_ACCESS_LIFETIME

    @classmethod
    def of(cls, user: User) -> "AccessToken":
        token = cls()
        token["sub"] = str(user.pk)
        token["email"] = user.email
        token["role"] = user.role
        token["type"] = cls.token_type
        token["ver"] = user.token_version
        return token

    def get_token_backend(self) -> TokenBackend:
        return _backend(settings.JWT_SECRET)


class RefreshJWT(SignedToken):
    """Buys the next pair of tokens once. Opaque to clients; only its SHA-256 is stored."""

    token_type = "refresh"
    lifetime = settings.JWT_REFRESH_LIFETIME

    @classmethod
    def of(cls, user: User) -> "RefreshJWT":
        token = cls()
        token["sub"] = str(user.pk)
        return token

    def get_token_backend(self) -> TokenBackend:
        return _backend(settings.JWT_REFRESH_SECRET)


def fingerprint(token: str) -> str:
    """SHA-256, lower-case hex. No salt is needed: a token holds 122 random bits and a signature."""
    return hashlib.sha256(token.encode()).hexdigest()


# Its making prepares the key.
@cache
def _backend(secret: str) -> Any:
    return TokenBackend("HS256", signing_key=secret, issuer=ISSUER, leeway=LEEWAY_SECONDS)
