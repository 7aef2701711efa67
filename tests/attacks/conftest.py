"""What all attacks start from."""

from collections.abc import Iterator

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections

from .routes import ROLES, Caller
from .season import Season

# Its assertions say what they have met, as those of a test do.
pytest.register_assert_rewrite("tests.attacks.harmless")


@pytest.fixture
def one_transaction(db: None) -> Iterator[None]:
    """The real WSGI entrance gives its connection back after each request; here all of them share the test's."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def season(db: None) -> Season:
    return Season()


@pytest.fixture
def callers(db: None) -> dict[str | None, Caller]:
    """Somebody of each role, and a stranger (None)."""
    return {role: Caller(role) for role in ROLES}
