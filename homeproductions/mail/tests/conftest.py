"""A kind of mail that belongs to no order, so that these tests are about nothing but the outbox."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.mail import EmailMultiAlternatives

from homeproductions.mail import registry
from homeproductions.mail.models import OutboxEmail


@pytest.fixture
def make_note(monkeypatch: pytest.MonkeyPatch) -> Callable[..., OutboxEmail]:
    """Insert a due mail of kind "note"; what a renderer would say is always "Hello."."""
    monkeypatch.setitem(registry.RENDERERS, "note", lambda email: EmailMultiAlternatives(body="Hello."))

    def make(**fields: Any) -> OutboxEmail:
        defaults = {"email_type": "note", "recipient_email": "lucia@example.com", "subject": "A note"}
        return OutboxEmail.objects.create(**{**defaults, **fields})

    return make
