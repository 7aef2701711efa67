from homeproductions.errors import Refused


class NoToken(Refused):
    code = "NO_TOKEN"
    status = 401
    message = "Sign in first: this needs an `Authorization: Bearer` header."


class InvalidToken(Refused):
    code = "INVALID_TOKEN"
    status = 401
    message = "Your session has ended. Please sign in again."


class InvalidRefreshToken(Refused):
    code = "INVALID_REFRESH_TOKEN"
    status = 401
    message = "Your session has ended. Please sign in again."


class InvalidCredentials(Refused):
    code = "INVALID_CREDENTIALS"
    status = 401
    message = "E-mail or password is wrong."


class InvalidPassword(Refused):
    code = "INVALID_PASSWORD"
    message = "The current password is wrong."


class Forbidden(Refused):
    code = "FORBIDDEN"
    status = 403
    message = "Your role does not allow this."


class LoginExists(Refused):
    code = "DUPLICATE"
    message = "There is a login with this address already. Reactivate it, or mail it a link to set a password."


class OwnAccount(Refused):
    code = "FORBIDDEN"
    status = 403
    message = "Nobody does this to their own login. Ask another super admin."


class DeadLink(Refused):
    code = "NOT_FOUND"
    status = 404
    message = "This link was used before, or it is too old, or something changed since it was mailed."
