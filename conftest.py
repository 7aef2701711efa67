"""Shared fixtures."""

from typing import Any

import pytest
from django.test import Client


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
