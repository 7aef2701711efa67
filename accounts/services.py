"""Signing in."""

import uuid
from dataclasses import dataclass

from django.contrib.auth.hashers import check_password, make_password
from django.db import transaction
from django.utils import timezone

from audit.services import record
from homeproductions import origin

from .errors import InvalidCredentials
from .models import RefreshToken, User
from .tokens import AccessToken, RefreshJWT, fingerprint

PASSWORD_MAX_LENGTH = 128


@dataclass(frozen=True)
class Session:
    """A pair of tokens just made for a user, in clear; the database knows only the refresh token's hash."""

    user: User
    access_token: str
    refresh_token: str


def log_in(*, email: str, password: str) -> Session:
    """A new session. The same answer and the same work for an unknown, inactive or wrongly guessed account.

    Raises InvalidCredentials; the failed try is kept in the audit.
    """
    user = User.objects.filter(email=email.strip().lower()).first()
    if not _password_fits(user, password) or user is None or not user.is_active:
        record("LOGIN_FAILED", user, entity_type="user")
        raise InvalidCredentials
    with transaction.atomic():
        user.last_login = timezone.now()
        user.save(update_fields=["last_login"])
        record("LOGIN", user, actor=user)
        return open_session(user)


def open_session(user: User, *, family: uuid.UUID | None = None) -> Session:
    """A pair of tokens; the refresh token joins `family` or starts one."""
    refresh = RefreshJWT.of(user)
    here = origin.current()
    RefreshToken.objects.create(
        user=user,
        family=family or uuid.uuid4(),
        token_hash=fingerprint(str(refresh)),
        expires_at=timezone.now() + refresh.lifetime,
        ip_address=here.ip,
        user_agent=here.user_agent,
    )
    return Session(user, str(AccessToken.of(user)), str(refresh))


def _password_fits(user: User | None, password: str) -> bool:
    if len(password) > PASSWORD_MAX_LENGTH:
        password = ""
    if user is None:
        make_password(password)  # as slow as a check, so that the time does not tell who has an account
        return False
    return check_password(password, user.password)
