"""What the tests of this folder share."""

import pytest

from tests.deploy import postgresql_programs


@pytest.fixture
def on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL's own programs are found."""
    monkeypatch.setenv("PATH", postgresql_programs.path())
