"""What `manage.py check --deploy` says about this system besides Django's own checks."""

from string import hexdigits
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.http.request import validate_host

from . import static_files

KEYS = ("JWT_SECRET", "JWT_REFRESH_SECRET", "SECRET_KEY", "TICKET_KEY", "METRICS_TOKEN")
# Of 32 random letters and digits fewer are different once in a hundred thousand million keys. Of 32 hexadecimal digits
# (`openssl rand -hex 16`) fewer than ten are once in 10 000, and fewer than eight once in 28 million.
FEWEST_DIFFERENT_CHARACTERS = 10
FEWEST_DIFFERENT_DIGITS = 8
# What stands in examples, and what people type.
WELL_KNOWN = ("changeme", "change-me", "change_me", "password", "example", "insecure", "your-secret", "12345678")
PROVIDERS = {
    "RECURRENTE_API_URL": ("RECURRENTE_SECRET_KEY", "https://app.recurrente.com/"),
    "STRIPE_API_URL": ("STRIPE_SECRET_KEY", "https://api.stripe.com/"),
}


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


@checks.register(checks.Tags.security, deploy=True)
def keys_are_hard_to_guess(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Long is not enough: so many times the same letter, or what an example says."""
    values = {name: str(getattr(settings, name)) for name in KEYS if getattr(settings, name)}
    found: list[checks.CheckMessage] = [
        checks.Warning(
            f"{name} is easy to guess.", hint="Make one with secrets.token_urlsafe(48).", id="homeproductions.W002"
        )
        for name, value in values.items()
        if len(set(value)) < fewest_different(value) or any(word in value.lower() for word in WELL_KNOWN)
    ]
    if len(set(values.values())) < len(values):
        hint = "Give each purpose a key of its own: who learns one then knows no other."
        found.append(checks.Warning("Two of the keys are the same.", hint=hint, id="homeproductions.W003"))
    return found


def fewest_different(value: str) -> int:
    """How many different characters a key of this alphabet has at least, if it was drawn at random."""
    return FEWEST_DIFFERENT_DIGITS if set(value.lower()) <= set(hexdigits) else FEWEST_DIFFERENT_CHARACTERS


@checks.register(checks.Tags.security, deploy=True)
def callers_are_limited(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Each by their own address: behind a proxy that is not named, everybody has that of the proxy."""
    if not settings.RATE_LIMIT_ENABLED:
        return [checks.Warning("RATE_LIMIT_ENABLED=0: passwords may be guessed freely.", id="homeproductions.W004")]
    if settings.PUBLIC_URL.startswith("https://") and not settings.TRUSTED_PROXIES:
        return [
            checks.Warning(
                "PUBLIC_URL is https, but TRUSTED_PROXIES is empty: all guests would share one address and its limits.",
                hint="Name the network of whatever speaks TLS in front of this server, for example 100.64.0.0/10.",
                id="homeproductions.W005",
            )
        ]
    return []


@checks.register(checks.Tags.security, deploy=True)
def guests_come_safely(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    if settings.PUBLIC_URL.startswith("https://"):
        return []
    hint = "Set PUBLIC_URL to how guests reach this server; with https, cookies are secure as well."
    text = "PUBLIC_URL is not https: whoever listens on the way reads passwords and tickets."
    return [checks.Warning(text, hint=hint, id="homeproductions.W008")]


@checks.register(checks.Tags.security, deploy=True)
def guests_are_let_in(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    host = urlsplit(settings.PUBLIC_URL).hostname or ""
    if validate_host(host, settings.ALLOWED_HOSTS):
        return []
    hint = "Put the host of PUBLIC_URL into ALLOWED_HOSTS: every link in a mail leads there."
    return [checks.Warning("PUBLIC_URL is not among ALLOWED_HOSTS.", hint=hint, id="homeproductions.W006")]


@checks.register(checks.Tags.security, deploy=True)
def payments_are_asked_at_the_provider(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """A stand-in that is left over from trying things out would be told our keys, and believed."""
    return [
        checks.Warning(f"{name} is not the provider's own address.", id="homeproductions.W007")
        for name, (key, address) in PROVIDERS.items()
        if getattr(settings, key) and not f"{getattr(settings, name)}/".startswith(address)
    ]


@checks.register(checks.Tags.staticfiles, deploy=True)
def static_files_are_collected(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """A page that asks for a file the collection does not know is an error; one that was collected before is old."""
    hint = f"In the release step, {static_files.COLLECT}."
    if not static_files.are_collected():
        text = "Static files are not collected: browsers ask for each again every minute."
        return [checks.Info(text, hint=hint, id="homeproductions.I004")]
    outdated = static_files.outdated()
    if not outdated:
        return []
    text = f"The collected static files are those of another release ({outdated[0]} and {len(outdated) - 1} more)."
    return [checks.Warning(text, hint=hint, id="homeproductions.W009")]
