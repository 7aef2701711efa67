"""Ids that are none, in every place of every path, and questions that nobody asks, for every role: each is refused or
answered, and never our fault."""

import itertools

import pytest
from django.contrib import admin
from django.http import HttpResponse
from django.urls import path

from homeproductions import api
from homeproductions.urls import urlpatterns
from tests.lengths import length

from .routes import Caller, Route, api_routes, every_route, pages, undone
from .season import steps_of

NOBODY = "00000000-0000-4000-8000-00000000dead"
IDS = [
    "0",
    "-1",
    str(2**63),
    "abc",
    NOBODY,
    "%00",
    "a" * 3000,
    # Encoded: a slash, the folder above, not UTF-8, a quote, an end of line, an emoji.
    "a%2Fb",
    "..%2f..%2fetc%2fpasswd",
    "%ff%fe",
    "'%20OR%20'1'='1",
    "a%0d%0aX-Attack:%201",
    "%F0%9F%8E%89",
    "%ED%A0%80",
    "1e309",
    "NaN",
    "{0}%25s${7*7}",
    "_2F_00",
]
SAFE_STATUS = range(200, 500)
VALUES = ["", "0", "-1", str(2**63), "9" * 400, "abc", "%00", "%ff", "a%0d%0ab", "'", "%5B%5D", NOBODY, "null", "٣"]
VALUES += ["1e9", "true", "2026-13-45", "0001-01-01", "9999-12-31", "..%2f", "%F0%9F%8E%89", "%ED%A0%80"]
NAMES = ["page", "limit", "offset", "search", "status", "eventId", "event_id", "includeDeleted", "needsReview", "email"]
NAMES += ["token", "format", "action", "from", "to", "userId", "next", "paid", "lang", "version"]
# Those of Django's own lists, and tricks with the columns they may be asked for.
ADMIN_NAMES = ["q", "p", "o", "all", "e", "_popup", "_to_field", "_changelist_filters", "id__exact", "id__in"]
ADMIN_NAMES += ["password__startswith", "user__password__regex", "status__regex", "created_at__year", "pk__isnull"]
ADMIN_NAMES += ["app_label", "model_name", "field_name", "term", "name"]


def assert_answered(answers, what):
    """Nobody got an answer that says it is our fault."""
    wrong = [(asked, answer.status_code) for asked, answer in answers if answer.status_code not in SAFE_STATUS]
    assert not wrong, f"{what}: {wrong[:5]}"


def ask_in_vain(caller: Caller, method: str, address: str):
    """One request; whatever it changes is undone."""
    with undone():
        body = b"{}" if method != "GET" else b""
        answer = caller.ask(method, address, body)
        getattr(answer, "streaming", False) and b"".join(answer.streaming_content)
    return answer


def some(values: list[str], few: int, turn: int) -> list[str]:
    """All of them at full length; else a few, others on each turn."""
    count = length(few, len(values))
    return [values[(turn * count + each) % len(values)] for each in range(count)]


def with_each_id(route: Route, season, ids=IDS):
    """Each id in each place of the path, the other places as they should be."""
    known = season.values(route.template)
    for name, value in itertools.product(route.names, ids):
        yield route.path({**known, name: value})


@pytest.mark.parametrize("role", [None, "staff", "admin", "superadmin"])
def test_no_id_in_a_path_of_the_api_is_our_fault(season, callers, role):
    routes = [route for route in api_routes() if route.names]

    for turn, route in enumerate(routes):
        ids = some(IDS, 6, turn) if role != "superadmin" else IDS
        answers = [
            ((method, address), ask_in_vain(callers[role], method, address))
            for method in sorted({"GET", *route.methods})
            for address in with_each_id(route, season, ids)
        ]
        assert_answered(answers, route)
        for asked, answer in answers:
            assert answer["Content-Type"] == "application/json", asked
            assert answer.status_code != 204, asked
            if answer.status_code >= 400:
                assert set(answer.json()) >= {"success", "error", "code"}, asked
    assert len(routes) >= 14


@pytest.mark.parametrize("role", [None, "superadmin", *length([], ["staff", "admin"])])
def test_no_id_in_the_address_of_a_page_is_our_fault(season, callers, role):
    routes = [route for route in pages() if route.names]

    for turn, route in enumerate(routes):
        ids = some(IDS, 3 if role else 1, turn)
        answers = [
            ((method, address), ask_in_vain(callers[role], method, address))
            for method in (("GET",) if role is None else route.methods)
            for address in with_each_id(route, season, ids)
        ]
        assert_answered(answers, route)
    assert len(routes) > 60


def test_step_of_no_row_is_not_found(season, callers):
    """The names of the steps are right, the rows are not."""
    asked = 0
    for route in pages():
        if "{object_id}" in route.template and "{name}" in route.template:
            ids = [each for each in IDS if "%2f" not in each.lower()]
            for name, value in itertools.product(steps_of(route.template), ids[:: length(4, 1)]):
                address = route.path({"name": name, "object_id": value})
                for method in ("GET", "POST"):
                    asked += 1
                    answer = ask_in_vain(callers["superadmin"], method, address)
                    assert answer.status_code in (400, 404), address
    assert asked > 100


# --- Questions ------------------------------------------------------------------------------------------------------


def names_asked(route: Route) -> list[str]:
    """What this list can be asked for, as the screens of the office and the API's own reading of it tell."""
    names = list(NAMES)
    for model, screen in admin.site._registry.items():
        if route.template == f"/admin/{model._meta.app_label}/{model._meta.model_name}/":
            names += [*ADMIN_NAMES, *filters_of(screen)]
    return names


def filters_of(screen) -> list[str]:
    found = []
    for each in screen.list_filter:
        each = each[0] if isinstance(each, tuple) else each
        name = getattr(each, "parameter_name", None) or (each if isinstance(each, str) else "")
        found += [name, f"{name}__exact", f"{name}__gte", f"{name}__isnull"] if name else []
    return found


def lists() -> list[Route]:
    return [route for route in every_route() if not route.names and "GET" in route.methods]


@pytest.mark.parametrize("role", [None, "superadmin", *length([], ["staff", "admin"])])
def test_no_question_is_our_fault(season, callers, role):
    for turn, route in enumerate(lists()):
        names = names_asked(route)
        few, step = (2, 1) if route.is_api and role else (1, 4 if role else 8)
        asked = list(enumerate(names))[:: length(step, 1)]
        questions = [f"{name}={value}" for n, name in asked for value in some(VALUES, few, turn + 5 * n)]
        questions += ["&".join(f"{name}={VALUES[5]}" for name in names), "a" * 3000, "%", "&&&=", "page=1&page=2"]
        answers = [(each, ask_in_vain(callers[role], "GET", f"{route}?{each}")) for each in questions]
        assert_answered(answers, route)


# --- Controls -------------------------------------------------------------------------------------------------------


class Planted:
    """The map with one route more, whose view trusts what it is given."""

    handler500 = staticmethod(api.server_error)

    def __init__(self, view):
        self.urlpatterns = [path("planted/<str:reference>/", view), path("planted/", view), *urlpatterns]


@pytest.fixture
def planted(settings):
    def plant(view):
        settings.ROOT_URLCONF = Planted(view)

    return plant


def test_control_view_that_takes_any_id_for_a_number_is_found(season, callers, planted):
    planted(lambda request, reference="1": HttpResponse(str(int(reference))))
    route = next(route for route in every_route() if route.template == "/planted/{reference}/")

    answers = [(each, ask_in_vain(callers[None], "GET", each)) for each in with_each_id(route, season)]

    with pytest.raises(AssertionError, match="abc"):
        assert_answered(answers, route)


def test_control_list_that_takes_any_page_for_a_number_is_found(callers, planted):
    planted(lambda request: HttpResponse(str(int(request.GET.get("limit", "1")))))
    route = next(route for route in lists() if route.template == "/planted/")

    answers = [(each, ask_in_vain(callers[None], "GET", f"{route}?limit={each}")) for each in VALUES]

    with pytest.raises(AssertionError, match="abc"):
        assert_answered(answers, route)
