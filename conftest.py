"""Shared fixtures."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import caches
from django.test import Client

from homeproductions import memory
from tests import image_host as image_host_stand_in
from tests.processes import web_server


class ApiClient(Client):
    """Django's client, speaking JSON: `api.post("/api/orders", {...})`."""

    def post(self, path: str, data: Any = None, **kwargs: Any) -> Any:  # type: ignore[override]
        return super().post(path, data if data is not None else {}, **{"content_type": "application/json", **kwargs})

    def put(self, path: str, data: Any = None, **kwargs: Any) -> Any:  # type: ignore[override]
        return super().put(path, data if data is not None else {}, **{"content_type": "application/json", **kwargs})


@pytest.fixture
def api(db: None) -> ApiClient:
    return ApiClient(raise_request_exception=False)


@pytest.fixture(autouse=True)
def fast_passwords(settings: Any, request: pytest.FixtureRequest) -> None:
    """Real bcrypt takes a quarter of a second; only the tests about it pay for it."""
    if "real_bcrypt" not in request.keywords:
        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def rate_limits(settings: Any, request: pytest.FixtureRequest) -> None:
    """All tests come from one address and would use up its limits for each other; those about limits start afresh."""
    settings.RATE_LIMIT_ENABLED = "rate_limits" in request.keywords
    caches["throttles"].clear()


@pytest.fixture(autouse=True)
def no_counters_stay(request: pytest.FixtureRequest) -> Iterator[None]:
    """After a test that commits. The table of counters has no model, so the flush between tests does not empty it."""
    mark = request.node.get_closest_marker("django_db")
    commits = "transactional_db" in request.fixturenames or (mark is not None and mark.kwargs.get("transaction"))
    if commits:
        request.getfixturevalue("transactional_db")
    yield
    if commits:
        caches["rate-limits"].clear()


@pytest.fixture(autouse=True)
def no_memory(settings: Any) -> None:
    """What a test changes is seen at once."""
    settings.MEMORY_SECONDS = 0
    memory.forget_all()


@pytest.fixture(autouse=True)
def fresh_settings() -> None:
    """A setting that one test changed is not remembered in the next."""
    caches["default"].clear()


@pytest.fixture
def cloudinary(settings: Any) -> None:
    """The image host is set up; whether it can be reached is another matter."""
    settings.CLOUDINARY_CLOUD_NAME = image_host_stand_in.CLOUD
    settings.CLOUDINARY_API_KEY = image_host_stand_in.KEY
    settings.CLOUDINARY_API_SECRET = image_host_stand_in.SECRET
    settings.CLOUDINARY_IS_CONFIGURED = True


@pytest.fixture
def image_host(cloudinary: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[image_host_stand_in.ImageHost]:
    """The image host is set up and stands on this machine."""
    with image_host_stand_in.running() as host:
        monkeypatch.setattr("homeproductions.pictures.HOST", host.address)
        yield host


@pytest.fixture(scope="session")
def shared_server(django_db_setup: None) -> Iterator[str]:
    """The address of a web server that all browser tests of this process ask, one after the other."""
    with web_server("tests.shared_wsgi", workers=1) as address:
        yield address
