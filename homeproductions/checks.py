"""What `manage.py check --deploy` says about this system besides Django's own checks."""

from typing import Any

from django.conf import settings
from django.core import checks


@checks.register(checks.Tags.security, deploy=True)
def keys_of_their_own(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Rotating JWT_SECRET must not silently change ticket codes and sessions as well."""
    if not settings.KEYS_ARE_DERIVED:
        return []
    return [
        checks.Info(
            "SECRET_KEY or TICKET_KEY is derived from JWT_SECRET.",
            hint="Rotating JWT_SECRET would also rotate them: admin sessions end and tickets get new codes. "
            "Set both to keep them apart.",
            id="homeproductions.I001",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def payments_can_arrive(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    if settings.PAYMENT_WEBHOOK_SECRETS or settings.RECURRENTE_WEBHOOK_SECRETS or settings.STRIPE_WEBHOOK_SECRETS:
        return []
    return [
        checks.Info(
            "No payment webhook secret is set (PAYMENT_WEBHOOK_SECRETS, RECURRENTE_..., STRIPE_...): "
            "the payment webhook answers 404.",
            id="homeproductions.I002",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def mail_can_leave(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    if settings.EMAIL_IS_CONFIGURED and settings.DEFAULT_FROM_EMAIL.endswith("@localhost"):
        return [
            checks.Warning(
                "EMAIL_FROM is not set: mail would be sent from an address that servers refuse.",
                id="homeproductions.W001",
            )
        ]
    if settings.EMAIL_IS_CONFIGURED:
        return []
    return [
        checks.Info(
            "Neither EMAIL_HOST nor EMAIL_PROVIDER is set: mail stays in the outbox.",
            id="homeproductions.I003",
        )
    ]
