"""One house for all that do nothing to it: starting it takes longer than most tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scale.house import House, open_house


@pytest.fixture(scope="package")
def house(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """With the limits counted in Redis."""
    with open_house(tmp_path_factory.mktemp("house"), redis=True) as house:
        yield house


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path
