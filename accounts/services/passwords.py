"""Passwords: how strong, how they are changed, and the links by which somebody sets one without knowing the old."""

from uuid import UUID

from django.contrib.auth.hashers import check_password
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.errors import DeadLink, InvalidPassword
from accounts.models import User
from accounts.validators import PASSWORD_MAX_LENGTH
from homeproductions.errors import Invalid


def change_password(user: User, *, current: str, new: str) -> None:
    """Set a new password and end every session. Raises Invalid (too weak) or InvalidPassword."""
    check_strength(new, user)
    if not check_password(current[: PASSWORD_MAX_LENGTH + 1], user.password):
        raise InvalidPassword
    if new == current:
        raise Invalid("The new password is the old one.")
    replace(user, new)


def replace(user: User, new: str) -> None:
    """Set a password that was checked before, in the user's own name. Ends every session."""
    user.set_password(new)
    user.save(update_fields=["password"], actor=user)


def check_strength(password: str, user: User | None = None) -> None:
    """Raises Invalid unless the password is long enough, not a common one and not the user's own name."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages)) from error


# --- Links ---------------------------------------------------------------------------------------------------


class LinkTokens(PasswordResetTokenGenerator):
    """Good for PASSWORD_RESET_TIMEOUT seconds and until the next password, sign-in, sign-out or deactivation."""

    key_salt = "accounts.set-password"

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        return f"{super()._make_hash_value(user, timestamp)}{user.token_version}{user.is_active}"


LINK_TOKENS = LinkTokens()


def user_of_link(user_id: UUID, token: str) -> User:
    """Whom the link is for. Raises DeadLink."""
    return _checked(User.objects.filter(pk=user_id).first(), token)


@transaction.atomic
def set_by_link(user_id: UUID, token: str, *, new: str) -> User:
    """Set a password, once for each link, and end every session. Raises DeadLink or Invalid (too weak)."""
    user = _checked(User.objects.select_for_update(no_key=True).filter(pk=user_id).first(), token)
    check_strength(new, user)
    replace(user, new)
    return user


def _checked(user: User | None, token: str) -> User:
    if user is None or not user.is_active or not LINK_TOKENS.check_token(user, token):
        raise DeadLink
    return user
