"""History of the admin site's sign-in page, which is Django's own and tells what happened by signals only."""

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver

from audit.services import record

from .models import User


@receiver(user_logged_in)
def signed_in(sender: Any, user: User, **kwargs: Any) -> None:
    record("LOGIN", user, actor=user)


@receiver(user_logged_out)
def signed_out(sender: Any, user: User | None, **kwargs: Any) -> None:
    if user is not None:
        record("LOGOUT", user, actor=user)


@receiver(user_login_failed)
def not_signed_in(sender: Any, credentials: dict[str, Any], **kwargs: Any) -> None:
    email = str(credentials.get("username", "")).strip().lower()
    record("LOGIN_FAILED", User.objects.filter(email=email).first(), entity_type="user")
