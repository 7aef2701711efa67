"""Sessions of staff: signing in, staying in, and ending everything at once."""

import uuid
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.hashers import check_password, make_password
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from rest_framework_simplejwt.exceptions import TokenError

from accounts.errors import InvalidCredentials, InvalidRefreshToken
from accounts.models import RefreshToken, User
from accounts.tokens import AccessToken, RefreshJWT, fingerprint
from audit.services import record
from homeproductions import origin

from .passwords import PASSWORD_MAX_LENGTH

# Two tabs share one stored token and may both send it: the later one is refused without harm.
REUSE_GRACE = timedelta(seconds=10)


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
        # Checking a password takes a quarter of a second: enough to be signed out everywhere meanwhile.
        if not _lock_unchanged(user):
            raise InvalidCredentials
        user.last_login = timezone.now()
        user.save(update_fields=["last_login"])
        record("LOGIN", user, actor=user)
        return _open_session(user, family=uuid.uuid4())


def refresh(*, token: str, user_id: uuid.UUID | None = None) -> Session:
    """Trade a refresh token for a new pair, once: of many parallel calls with one token exactly one wins.

    `user_id` is what old clients send along; when given it must fit. Raises InvalidRefreshToken. A token used again
    after REUSE_GRACE was probably stolen: its whole family is revoked.
    """
    now = timezone.now()
    stored = RefreshToken.objects.select_related("user").filter(token_hash=_readable(token)).first()
    if stored is None or (user_id is not None and user_id != stored.user_id) or not stored.user.is_active:
        raise InvalidRefreshToken
    with transaction.atomic():
        if not _lock_unchanged(stored.user):
            raise InvalidRefreshToken
        mine = RefreshToken.objects.filter(
            pk=stored.pk, used_at__isnull=True, revoked_at__isnull=True, expires_at__gt=now
        ).update(used_at=Now())
        if mine:
            return _open_session(stored.user, family=stored.family)
    _suspect_theft(stored.pk)
    raise InvalidRefreshToken


def log_out(user: User) -> None:
    """End every session of the user at once, access tokens and admin sessions included."""
    with transaction.atomic():
        user.end_sessions()
        record("LOGOUT", user, actor=user)


def delete_expired_tokens() -> int:
    """Forget refresh tokens that ran out. Returns how many.

    Revoked and used ones stay until then: they are how a stolen token is recognised.
    """
    deleted, _ = RefreshToken.objects.filter(expires_at__lt=timezone.now()).delete()
    return deleted


def _open_session(user: User, *, family: uuid.UUID) -> Session:
    token = RefreshJWT.of(user)
    here = origin.current()
    RefreshToken.objects.create(
        user=user,
        family=family,
        token_hash=fingerprint(str(token)),
        expires_at=timezone.now() + token.lifetime,
        ip_address=here.ip,
        user_agent=here.user_agent,
    )
    return Session(user, str(AccessToken.of(user)), str(token))


def _lock_unchanged(user: User) -> bool:
    """Lock the user against being signed out while a session is made. False if that or worse has just happened."""
    now = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    return now.is_active and now.token_version == user.token_version


def _readable(token: str) -> str:
    """The fingerprint of a token that we signed and that is in time. Raises InvalidRefreshToken."""
    try:
        RefreshJWT(token.encode("ascii", "strict"))
    except (TokenError, ValueError) as error:
        raise InvalidRefreshToken from error
    return fingerprint(token)


@transaction.atomic
def _suspect_theft(token_id: uuid.UUID) -> None:
    """Decide on fresh data why a token was refused: a second tab, or somebody who should not have it."""
    stored = RefreshToken.objects.select_related("user").get(pk=token_id)
    # A refresh that is adding to the family right now holds this lock; its new token must be seen here.
    User.objects.select_for_update(no_key=True).get(pk=stored.user_id)
    # By the database's clock, as it was used: the other tab may have come to another host.
    if not RefreshToken.objects.filter(pk=token_id, used_at__lt=Now() - REUSE_GRACE).exists():
        return
    family = RefreshToken.objects.filter(family=stored.family, revoked_at__isnull=True)
    if family.update(revoked_at=timezone.now()):
        # The thief's access token ends as well; the owner's other sessions get a new one with their next refresh.
        User.objects.filter(pk=stored.user_id).update(token_version=F("token_version") + 1)
        record("TOKEN_REUSE", stored.user, new={"family": str(stored.family)})


def _password_fits(user: User | None, password: str) -> bool:
    if len(password) > PASSWORD_MAX_LENGTH:
        password = ""
    if user is None:
        make_password(password)  # as slow as a check, so that the time does not tell who has an account
        return False
    return check_password(password, user.password)
