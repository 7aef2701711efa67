"""Who is calling: the bearer token of a request, checked against the user as they are now."""

from uuid import UUID

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework_simplejwt.exceptions import TokenError

from homeproductions.memory import Memory
from homeproductions.reading import fetch_one

from .errors import InvalidToken, NoToken
from .models import User
from .tokens import AccessToken

PREFIX = "Bearer "


class BearerAuthentication(BaseAuthentication):
    """A missing header is not an error here (some routes are public); a bad token is."""

    def authenticate(self, request: Request) -> tuple[User, AccessToken] | None:
        header = request.META.get("HTTP_AUTHORIZATION", "")
        if not header.startswith(PREFIX):
            return None
        token = read(header.removeprefix(PREFIX).strip())
        return user_of(token), token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def read(text: str) -> AccessToken:
    """The token if it is ours, of the right kind and in time, as this process last checked it, at most a second ago:
    a phone at the door sends the same one all evening. Raises InvalidToken."""
    return _checked.get(text, lambda: _check(text))


_checked: Memory[AccessToken] = Memory()


def _check(text: str) -> AccessToken:
    try:
        token = AccessToken(text.encode("ascii", "strict"))
    except (TokenError, ValueError) as error:
        raise InvalidToken from error
    if token.get("type") != AccessToken.token_type:
        raise InvalidToken
    return token


def user_of(token: AccessToken) -> User:
    """The active user the token was made for, unless their sessions were ended since. Raises InvalidToken."""
    try:
        user_id = UUID(str(token.get("sub")))
    except ValueError as error:
        raise InvalidToken from error
    user = fetch_one(User, "id = %s", user_id)
    if user is None or not user.is_active or user.token_version != token.get("ver"):
        raise InvalidToken
    return user


def require_user(request: Request) -> User:
    """The signed-in user. Raises NoToken."""
    if not isinstance(request.user, User):
        raise NoToken
    return request.user
