"""A house for each test: the test database with one night in it, and a post office."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from tests.factories import bearer, make_tier, make_user
from tests.processes import environment

from .house import House
from .post_office import PostOffice, open_post_office

PLENTY = 100_000  # seats


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
