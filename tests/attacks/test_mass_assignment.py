"""Fields that nobody may write: every writing route is called twice, as it should be and with every column of every
table added to each object of its body. What is in the database afterwards must be the same."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.core.cache import caches

from accounts.models import User
from events.api import serializers as event_bodies
from events.models import Event
from homeproductions import memory
from homeproductions.request_data import snake_case
from newsletter.api.serializers import AddressBody
from orders.models import Order
from tests.dumps import every_row
from tests.factories import bearer, make_order
from tests.office_forms import fields_of
from tests.signing import new_secret, signed_headers

from .calls import CALLS, INNER, PASSWORD, Call
from .routes import WRITING, Caller, api_routes, undone
from .season import OURS, Season

SECRET = new_secret()
# Of each kind of column something that nobody would get by chance.
SENTINELS = {
    "UUIDField": "0badc0de-0000-4000-8000-000000000bad",
    "BooleanField": True,
    "IntegerField": 7177,
    "DecimalField": 71.77,
    "DateTimeField": "2001-02-03T04:05:06Z",
    "DateField": "2001-02-03",
    "JSONField": {"owned": 1},
}
STATES = {"status": "refunded", "role": "superadmin", "is_test": True, "is_active": False, "outcome": "ignored"}
VOLATILE = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{64}\b|HP\d{6}-\w+|\\\\x[0-9a-f]+"
    r"|\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d(:?\d\d)?|Z)?|md5\$\w+\$\w+|\b(pay|msg)_\w+|picture\d+"
    r"|\d{10}\.\d+|TEST-\w+"
)
# Counters and sessions move with every request.
NOT_OURS = ("rate_limit_counters", "django_session", "constance_constance")


def forbidden() -> dict[str, Any]:
    """Every column of every table, in both spellings, with a value that would be seen."""
    found: dict[str, Any] = {"is_superuser": True, "is_staff": True, "available": 7177, "pk": SENTINELS["UUIDField"]}
    for model in apps.get_models():
        for field in model._meta.concrete_fields if model._meta.app_label in OURS else ():
            kind = "UUIDField" if field.is_relation else field.get_internal_type()
            value = STATES.get(field.name, SENTINELS.get(kind.removeprefix("Positive").removeprefix("Big"), "owned"))
            found |= {field.name: value, field.attname: value}
    camel = {re.sub(r"_(\w)", lambda letter: letter[1].upper(), name): value for name, value in found.items()}
    return {**found, **camel}


FORBIDDEN = forbidden()


@pytest.fixture(autouse=True)
def the_house(settings, image_host):
    settings.PAYMENT_WEBHOOK_SECRETS = [SECRET]
    settings.SECRETS = [SECRET]


def test_every_writing_route_is_walked():
    found = {(method, route.template) for route in api_routes() for method in route.methods if method in WRITING}

    assert found == set(CALLS)


def with_more(body: Any, takes: tuple[str, ...]) -> Any:
    """The body with every column that may not be written there, in each of its objects."""
    known = {snake_case(name) for name in body} | set(takes)
    extra = {name: value for name, value in FORBIDDEN.items() if snake_case(name) not in known}
    return {**extra, **{name: inner(name, value) for name, value in body.items()}}


def inner(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [inner(name, each) for each in value]
    return with_more(value, INNER[name]) if isinstance(value, dict) and name in INNER else value


def everything() -> list[str]:
    """Every row of every table, without what is new each time."""
    return sorted(f"{table} {stable(row)}" for table, row in every_row(but=NOT_OURS))


def stable(text: str) -> str:
    return VOLATILE.sub(lambda found: found[0] if is_sentinel(found[0]) else "…", text)


def is_sentinel(text: str) -> bool:
    return text == SENTINELS["UUIDField"] or text.startswith("2001-02-03")


def effect(act: Callable[[], Any]) -> tuple[int, list[str]]:
    """The answer's status and what is in the database afterwards; then it is undone."""
    with undone():
        caches["default"].clear()
        memory.forget_all()
        answer = act()
        found = everything()
    return answer.status_code, found


def send(caller: Caller, method: str, call: Call, season: Season, body: Any) -> Any:
    text = json.dumps(body).encode()
    headers = signed_headers(SECRET, text, event_id="msg_1") if call.is_signed else {}
    return caller.ask(method, call.path(season), text, headers=headers)


def compared(caller: Caller, season: Season, method: str, call: Call) -> tuple[int, list[str], list[str]]:
    """The status, and the rows that are there only without the fields added, and only with them."""
    status, plain = effect(lambda: send(caller, method, call, season, call.body(season)))
    status_with, more = effect(lambda: send(caller, method, call, season, with_more(call.body(season), call.takes)))
    assert status == status_with
    strip = strip_body if call.is_signed else list
    return status, sorted(set(strip(plain)) - set(strip(more))), sorted(set(strip(more)) - set(strip(plain)))


def strip_body(found: list[str]) -> list[str]:
    """A notice is kept as it came, with whatever is in it."""
    return [row for row in found if not row.startswith("webhook_deliveries")]


@pytest.fixture
def caller(season) -> Caller:
    caller = Caller("superadmin")
    season.actor.set_password(PASSWORD)
    season.actor.save()
    season.actor.refresh_from_db()
    caller.user.set_password(PASSWORD)
    caller.user.save()
    # Signed in anew: a new password ended what was.
    caller.headers = bearer(User.objects.get(pk=caller.user.pk))
    caller.client.force_login(User.objects.get(pk=caller.user.pk))
    return caller


@pytest.mark.parametrize("key", CALLS, ids=" ".join)
def test_field_that_nobody_may_write_does_nothing(season, caller, key):
    status, lost, added = compared(caller, season, key[0], CALLS[key])

    assert status in (200, 201), key
    assert (lost, added) == ([], [])


# --- The forms of the office ------------------------------------------------------------------------------------------


def forms(caller: Caller) -> Iterator[tuple[str, dict[str, str]]]:
    """Each form with which the office changes or adds a row, filled in as it is shown."""
    for model in admin.site._registry:
        if not hasattr(model, "_default_manager"):
            continue
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}"
        for path in (f"{base}/add/", *(f"{base}/{row.pk}/change/" for row in model._default_manager.all()[:1])):
            answer = caller.client.get(path)
            form_id = f"{model._meta.model_name}_form"
            if answer.status_code == 200 and f'id="{form_id}"' in answer.content.decode():
                yield path, fields_of(answer, form_id)


def with_more_fields(fields: dict[str, str]) -> dict[str, str]:
    """Every column besides those of the form, and the same within each of its rows."""
    rows_of = {match[0] for name in fields if (match := re.match(r"\w+-\d+-", name))}
    extra = {name: str(value) for name, value in FORBIDDEN.items()}
    inner_extra = {f"{row}{name}": value for row in rows_of for name, value in extra.items()}
    return {**{name: value for name, value in {**extra, **inner_extra}.items() if name not in fields}, **fields}


def test_forms_of_the_office_take_their_own_fields_only(season, caller):
    compared_forms = 0
    for path, fields in forms(caller):
        if "/add/" in path:
            fields = {**fields, **{name: "New" for name in ("name", "title") if fields.get(name) == ""}}
        # A box that is not ticked is a field of the form although it is not sent.
        own = set(re.findall(r'name="([^"]+)"', caller.client.get(path).content.decode())) | set(fields)
        more = {name: value for name, value in with_more_fields(fields).items() if name in fields or name not in own}
        plain, owned = (effect(lambda form=form, path=path: caller.client.post(path, form)) for form in (fields, more))
        assert plain == owned, path
        compared_forms += 1
    assert compared_forms >= 3


# --- Controls ------------------------------------------------------------------------------------------------------


def test_control_body_that_takes_what_is_sold_is_found(season, caller, monkeypatch):
    """As a careless change would have it: one more field, and a service that writes what it is given."""
    monkeypatch.setattr(event_bodies.EventBody, "parse", classmethod(careless))

    _, _, added = compared(caller, season, "POST", CALLS["POST", "/api/admin/events"])

    assert any("7177" in row for row in added)


def careless(body: Any, request: Any) -> dict[str, Any]:
    return {**dict(body().run_validation(request.data)), "hold_minutes": request.data.get("hold_minutes", 60)}


def test_control_route_that_writes_a_state_is_found(season, caller, monkeypatch):
    def parse(body, request):
        User.objects.filter(pk=season.actor.pk).update(role=request.data.get("role", "superadmin"))
        return {"email": request.data["email"]}

    User.objects.filter(pk=season.actor.pk).update(role="staff")
    monkeypatch.setattr(AddressBody, "parse", classmethod(parse))
    call = CALLS["POST", "/api/newsletter/subscribe"]

    FORBIDDEN["role"] = "admin"
    try:
        _, lost, added = compared(caller, season, "POST", call)
    finally:
        FORBIDDEN["role"] = STATES["role"]

    assert (len(lost), len(added)) == (1, 1)


def test_what_is_compared_has_all_that_matters(season):
    """The walk rests on these being among what is added and what is looked at."""
    wanted = {
        "status",
        "sold",
        "role",
        "price",
        "isTest",
        "is_test",
        "id",
        "hold_expires_at",
        "totalPrice",
        "codeVersion",
    }
    make_order()

    assert wanted <= FORBIDDEN.keys()
    found = " ".join(everything())
    for model in (Order, Event, User):
        assert f"{model._meta.db_table} {{" in found
