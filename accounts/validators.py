"""What Django's own password validators do not ask."""

from typing import Any

from django.core.exceptions import ValidationError

PASSWORD_MAX_LENGTH = 128


class MaximumLength:
    """A sign-in with a longer one is refused before it is hashed, so nobody may set one."""

    def validate(self, password: str, user: Any = None) -> None:
        if len(password) > PASSWORD_MAX_LENGTH:
            raise ValidationError(self.get_help_text(), code="password_too_long")

    def get_help_text(self) -> str:
        return f"A password has at most {PASSWORD_MAX_LENGTH} characters."
