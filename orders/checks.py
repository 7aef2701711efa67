"""What `manage.py check` says about the secrets of payment webhooks."""

from typing import Any

from django.conf import settings
from django.core import checks

from .providers import standard, stripe

SECRETS = {
    "PAYMENT_WEBHOOK_SECRETS": standard.secret_fault,
    "RECURRENTE_WEBHOOK_SECRETS": standard.secret_fault,
    "STRIPE_WEBHOOK_SECRETS": stripe.secret_fault,
}


@checks.register(checks.Tags.security)
def webhook_secrets_are_whole(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """A secret that was cut while copying would refuse every payment, or be easy to guess."""
    return [
        checks.Error(f"A secret in {name} {fault}.", id="orders.E001")
        for name, find_fault in SECRETS.items()
        for secret in getattr(settings, name)
        if (fault := find_fault(secret))
    ]
