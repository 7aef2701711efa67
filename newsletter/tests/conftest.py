"""Subscribers in each state, and the mail they get."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from homeproductions.mail.delivery import process_due
from newsletter.models import Subscriber

EMAIL = "lucia@example.com"
STATES = {
    "waiting": {"is_active": False},
    "active": {"is_active": True},
    "left": {"is_active": False, "unsubscribed_at": timezone.now() - timedelta(days=1)},
}


def make_subscriber(state: str = "active", email: str = EMAIL) -> Subscriber:
    return Subscriber.objects.create(email=email, **STATES[state])


@pytest.fixture
def arriving(mailoutbox: list[Any]) -> Any:
    """Deliver what is due and return the messages that arrived by it."""

    def deliver() -> list[Any]:
        before = len(mailoutbox)
        process_due()
        return mailoutbox[before:]

    return deliver
