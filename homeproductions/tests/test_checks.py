"""What `check --deploy` and `doctor` find in the environment."""

import secrets

import pytest

from homeproductions import checks


@pytest.fixture(autouse=True)
def sound(settings):
    """As a server should be set up."""
    for name in checks.KEYS:
        setattr(settings, name, secrets.token_urlsafe(48))
    settings.PUBLIC_URL, settings.ALLOWED_HOSTS = "https://tickets.example.org", ["tickets.example.org"]
    settings.TRUSTED_PROXIES, settings.RATE_LIMIT_ENABLED = ["100.64.0.0/10"], True
    settings.STRIPE_SECRET_KEY, settings.STRIPE_API_URL = "sk_live_x", "https://api.stripe.com"


def found():
    ours = (
        checks.keys_are_hard_to_guess,
        checks.callers_are_limited,
        checks.guests_come_safely,
        checks.guests_are_let_in,
        checks.payments_are_asked_at_the_provider,
    )
    return [message for check in ours for message in check(None)]


def test_sound_settings_have_nothing_to_find():
    assert found() == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"JWT_SECRET": "a" * 48}, "W002"),
        ({"TICKET_KEY": "0123456789" * 4}, "W002"),
        ({"TICKET_KEY": "12345678" * 4}, "W002"),
        ({"SECRET_KEY": "c0ffee" * 6}, "W002"),
        ({"SECRET_KEY": "abcdefgh" * 4}, "W002"),
        ({"JWT_REFRESH_SECRET": "please-ChangeMe-before-you-go-live-with-this"}, "W002"),
        ({"METRICS_TOKEN": "abcabcabc" * 5}, "W002"),
        ({"RATE_LIMIT_ENABLED": False}, "W004"),
        ({"TRUSTED_PROXIES": []}, "W005"),
        ({"ALLOWED_HOSTS": ["example.org"]}, "W006"),
        ({"PUBLIC_URL": "https://other.example.org"}, "W006"),
        ({"PUBLIC_URL": "http://tickets.example.org"}, "W008"),
        ({"STRIPE_API_URL": "http://127.0.0.1:9"}, "W007"),
        ({"STRIPE_API_URL": "https://api.stripe.com.evil.example"}, "W007"),
    ],
    ids=str,
)
def test_each_weakness_is_found_alone_and_no_key_is_told(settings, change, expected):
    for name, value in change.items():
        setattr(settings, name, value)

    [message] = found()

    assert message.id == f"homeproductions.{expected}"
    assert not any(str(getattr(settings, name)) in f"{message.msg}{message.hint}" for name in checks.KEYS)


@pytest.mark.parametrize("key", ["9b02c79f4bfc2047c0290f49b74cb727", "9B02C79F4BFC2047C0290F49B74CB72D"])
def test_hexadecimal_key_with_few_different_digits_is_sound(settings, key):
    """As `openssl rand -hex 16` makes one once in some thousands."""
    settings.TICKET_KEY = key

    assert (len(set(key)) < checks.FEWEST_DIFFERENT_CHARACTERS, found()) == (True, [])


def test_one_key_for_two_purposes_is_found(settings):
    settings.TICKET_KEY = settings.JWT_SECRET

    assert [message.id for message in found()] == ["homeproductions.W003"]


def test_stand_in_without_a_key_is_nobodys_business(settings):
    settings.STRIPE_SECRET_KEY, settings.STRIPE_API_URL = "", "http://127.0.0.1:9"

    assert found() == []
