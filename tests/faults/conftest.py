"""A house for each test: the test database with one night in it, and a post office."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from tests.factories import bearer, make_tier, make_user
from tests.lengths import length
from tests.processes import environment

from .house import House
from .post_office import PostOffice, open_post_office

HERE = Path(__file__).parent
# Seconds for one test: programs start slowly on a busy machine.
LONGEST = length(300, 1800)
PLENTY = 100_000  # seats


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.timeout(LONGEST))


@pytest.fixture
def post_office() -> Iterator[PostOffice]:
    with open_post_office() as office:
        yield office


@pytest.fixture
def house(transactional_db: None, tmp_path: Path, post_office: PostOffice) -> House:
    tier, staff = make_tier(quantity=PLENTY), bearer(make_user("admin"))
    connection.close()  # what a scenario does to the connections of this database concerns only its programs
    return House(
        url=environment()["DATABASE_URL"],
        logs=tmp_path,
        event=str(tier.event_id),
        tier=str(tier.pk),
        staff=staff,
        extra=post_office.variables,
    )
