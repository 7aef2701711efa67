"""Every address that the server answers, taken from its map, so that a new route is attacked like the others."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

from tests.factories import bearer, make_user

ROLES = (None, "staff", "admin", "superadmin")
WRITING = ("POST", "PUT", "PATCH", "DELETE")
# `<uuid:event_id>` in Django's short form, `(?P<reference>[^/]+)` in a regular expression.
SEGMENT = re.compile(r"<(?:(?P<kind>\w+):)?(?P<short>\w+)>|\(\?P<(?P<long>\w+)>[^()]*\)")


@dataclass(frozen=True)
class Route:
    """One address: `/api/events/{reference}`, and what answers there."""

    template: str
    view: Callable[..., Any]

    def __str__(self) -> str:
        return self.template

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What may vary in the path."""
        return tuple(re.findall(r"{(\w+)}", self.template))

    @property
    def is_api(self) -> bool:
        return hasattr(self.view, "cls")

    @cached_property
    def methods(self) -> tuple[str, ...]:
        """Of a view of the API those it has, of a page those that a browser sends."""
        if not self.is_api:
            return ("GET", "POST")
        return tuple(name.upper() for name in self.view.cls.http_method_names if hasattr(self.view.cls, name))

    def path(self, values: Mapping[str, str]) -> str:
        return re.sub(r"{(\w+)}", lambda found: values[found[1]], self.template)

    def filled(self, value: str) -> str:
        """The path with this in each place that may vary."""
        return self.path(dict.fromkeys(self.names, value))


def every_route() -> list[Route]:
    return list(_routes(get_resolver().url_patterns, ""))


def api_routes() -> list[Route]:
    return [route for route in every_route() if route.is_api]


def pages() -> list[Route]:
    """Those for people; without the files that pages are made of."""
    return [route for route in every_route() if not route.is_api and "jsi18n" not in route.template]


def _routes(patterns: list[Any], prefix: str) -> Iterator[Route]:
    for each in patterns:
        template = prefix + _template(each.pattern)
        if isinstance(each, URLResolver):
            yield from _routes(each.url_patterns, template)
        elif isinstance(each, URLPattern):
            yield Route("/" + template, each.callback)


def _template(pattern: Any) -> str:
    text = pattern._route if isinstance(pattern, RoutePattern) else pattern._regex
    named = SEGMENT.sub(lambda found: f"{{{found['short'] or found['long']}}}", text)
    return re.sub(r"\(/\.\*\)\?", "/nothing", named).replace("/?$", "").removeprefix("^").removesuffix("$")


@contextmanager
def undone() -> Iterator[None]:
    """Whatever is changed within is taken back; a service may believe that it commits."""
    block = transaction.atomic()
    block._from_testcase = True
    with block:
        yield
        transaction.set_rollback(True)


class Caller:
    """Somebody with a role, for both halves of the house: a bearer for the API, a session for the pages."""

    def __init__(self, role: str | None) -> None:
        self.user = make_user(role) if role else None
        self.headers = bearer(self.user) if self.user else {}
        self.client = Client(raise_request_exception=False)
        if self.user:
            self.client.force_login(self.user)

    def ask(self, method: str, path: str, body: Any = b"", **how: Any) -> Any:
        headers = {**self.headers, **how.pop("headers", {})}
        how.setdefault("content_type", "application/json")
        return self.client.generic(method, path, body, headers=headers, **how)
