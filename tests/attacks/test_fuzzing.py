"""Any bytes at all, at every address, through the entrance of the web server and as it would hand them over: each is
answered, below the API in JSON, and never as a fault of ours."""

import io
import json
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from django.http import HttpResponse
from django.urls import path
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from homeproductions import api
from homeproductions.urls import urlpatterns
from homeproductions.wsgi import application
from tests.lengths import length

from .routes import Caller, every_route, undone
from .season import Season

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "\xff"]
TYPES = [
    "application/json",
    "application/json; charset=utf-16",
    "application/json; charset=\xff",
    "application/x-www-form-urlencoded",
    "application/x-www-form-urlencoded; charset=utf-7",
    "multipart/form-data; boundary=b",
    "multipart/form-data",
    "multipart/form-data; boundary=" + "b" * 300,
    "multipart/mixed; boundary=b",
    "text/plain",
    "text/xml",
    "application/octet-stream",
    "",
    ";",
    "a/b/c",
    "\xff\xfe",
]
WORDS = [
    "id",
    "email",
    "status",
    "name",
    "title",
    "quantity",
    "price",
    "tiers",
    "images",
    "eventId",
    "tierId",
    "order_id",
]
WORDS += ["qr_code", "refreshToken", "password", "username", "note", "orderId", "image", "date", "_method"]
WORDS += ["action", "csrfmiddlewaretoken", "event", "data", "limit", "__proto__", "", "a.b", "a[0]"]
HEADERS = ["HTTP_ACCEPT", "HTTP_ACCEPT_LANGUAGE", "HTTP_ACCEPT_ENCODING", "HTTP_AUTHORIZATION", "HTTP_COOKIE"]
HEADERS += ["HTTP_ORIGIN", "HTTP_REFERER", "HTTP_USER_AGENT", "HTTP_IDEMPOTENCY_KEY", "HTTP_X_FORWARDED_FOR"]
HEADERS += ["HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_NONE_MATCH"]
HEADERS += ["HTTP_RANGE", "HTTP_X_CSRFTOKEN", "HTTP_X_REQUEST_ID", "HTTP_X_HTTP_METHOD_OVERRIDE", "HTTP_EXPECT"]
HEADERS += ["HTTP_ACCESS_CONTROL_REQUEST_METHOD", "HTTP_STRIPE_SIGNATURE", "HTTP_SVIX_SIGNATURE", "HTTP_WEBHOOK_ID"]
HEADERS += ["HTTP_X_FORWARDED_PORT", "HTTP_CONTENT_ENCODING", "HTTP_TRANSFER_ENCODING", "HTTP_HOST"]

raw = st.binary(max_size=60)
FRAGMENTS = ["%0d%0aX-Attack: 1", "%00", "%ff", "..%2f", "'", "<b>", "{{7*7}}", "%s", "%F0%9F%8E%89", "%", "\\", "+"]
latin = raw.map(lambda data: data.decode("latin-1")) | st.sampled_from(FRAGMENTS)
# What a web server lets through in a header: no line breaks, no NUL.
header = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40)
leaf = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.just("\x00") | st.just(2**80)
value = st.recursive(
    leaf,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3),
    max_leaves=6,
)
body_object = st.dictionaries(st.sampled_from(WORDS), value, max_size=6)
part = st.tuples(st.sampled_from(WORDS), raw).map(
    lambda pair: (
        b'--b\r\nContent-Disposition: form-data; name="%s"; filename="x"\r\n\r\n%s\r\n' % (pair[0].encode(), pair[1])
    )
)
form = st.lists(st.tuples(st.sampled_from(WORDS), raw), max_size=5).map(
    lambda pairs: b"&".join(name.encode() + b"=" + text for name, text in pairs)
)
body = st.one_of(
    st.binary(max_size=200),
    body_object.map(lambda content: json.dumps(content).encode()),
    body_object.map(lambda content: json.dumps(content).encode()[:-3]),
    form,
    st.lists(part, max_size=3).map(lambda parts: b"".join(parts) + b"--b--\r\n"),
)
query = st.one_of(
    st.just(""),
    latin,
    st.lists(st.tuples(st.sampled_from([*WORDS, "page", "limit", "q", "next", "search"]), latin), max_size=3).map(
        lambda pairs: "&".join(f"{name}={text}" for name, text in pairs)
    ),
)
ANSWERED = range(200, 500)
SUFFIXES = ["/", "//", "/..", "/%2e", "?", ";a=b"]


@st.composite
def requests(draw, paths: list[str]) -> dict[str, Any]:
    """A WSGI environment as gunicorn makes it: text is bytes read as latin-1."""
    address = draw(st.sampled_from(paths)) + draw(st.just("") | latin | st.sampled_from(SUFFIXES))
    content = draw(body)
    names = draw(st.lists(st.sampled_from(HEADERS), max_size=4))
    return {
        "REQUEST_METHOD": draw(st.sampled_from(METHODS)),
        "PATH_INFO": address,
        "SCRIPT_NAME": "",
        "QUERY_STRING": draw(query),
        "CONTENT_TYPE": draw(st.sampled_from(TYPES) | header),
        "CONTENT_LENGTH": str(len(content) + draw(st.sampled_from([0, 0, 0, -len(content), 10]))),
        "wsgi.input": io.BytesIO(content),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "http",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1",
        "is_signed_in": draw(st.booleans()),
        **{name: draw(header) for name in names},
    }


class Server:
    """The WSGI entrance, asked in a transaction that is undone each time."""

    def __init__(self, caller: Caller) -> None:
        self.statuses: Counter[int] = Counter()
        cookie = caller.client.cookies["sessionid"].value
        # The form token is for browsers to check; here it is given away, so that what lies behind is reached too.
        self.signed_in = {
            "HTTP_AUTHORIZATION": caller.headers["Authorization"],
            "HTTP_COOKIE": f"sessionid={cookie}; csrftoken={'c' * 32}",
            "HTTP_X_CSRFTOKEN": "c" * 32,
        }

    def answer(self, environ: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        told: list[Any] = []
        known = self.signed_in if environ.pop("is_signed_in") else {}
        with undone():
            response = application({**environ, **known}, lambda status, headers: told.append((status, headers)))
            content = b"".join(response)
            response.close()
        status, headers = told[0]
        self.statuses[int(status.split()[0])] += 1
        return int(status.split()[0]), dict(headers), content


def assert_answered(server: Server, environ: dict[str, Any]) -> None:
    asked = {name: text for name, text in environ.items() if isinstance(text, str)}
    status, headers, content = server.answer(environ)
    assert status in ANSWERED, asked
    assert not any(set("\r\n") & set(text) for text in headers.values()), asked
    assert headers["X-Content-Type-Options"] == "nosniff", asked
    is_api = asked["PATH_INFO"].startswith("/api/") and "docs" not in asked["PATH_INFO"]
    if is_api and status >= 400 and asked["REQUEST_METHOD"] != "HEAD":
        assert headers["Content-Type"] == "application/json", asked
        assert {"success", "error", "code"} <= json.loads(content).keys(), asked


# A case that fails is told as it is: making it smaller takes longer than reading it.
PHASES = (Phase.explicit, Phase.generate)
HEALTHY: dict[str, Any] = {"suppress_health_check": list(HealthCheck)}


def fuzz(server: Server, paths: list[str], examples: int) -> None:
    @settings(max_examples=examples, deadline=None, derandomize=True, database=None, phases=PHASES, **HEALTHY)
    @given(requests(paths))
    def ask(environ: dict[str, Any]) -> None:
        assert_answered(server, environ)

    ask()


def addresses(season: Season, chosen: Callable[[str], bool]) -> list[str]:
    """Each address with rows that are there, so that what lies behind an id is reached as well."""
    found = {route.path(season.values(route.template)) for route in every_route() if chosen(route.template)}
    return sorted(found)


@pytest.fixture
def server(one_transaction) -> Server:
    return Server(Caller("superadmin"))


PARTS = {
    "guests": lambda template: template.startswith(("/api/", "/health", "/metrics")) and "/admin" not in template,
    "the office's API": lambda template: template.startswith("/api/admin"),
    "pages of guests": lambda template: not template.startswith(("/api", "/admin")),
    "the office": lambda template: template.startswith("/admin") and "set-password" not in template,
    "links": lambda template: "{token}" in template,
}


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", PARTS)
def test_no_bytes_are_our_fault(server, season, part):
    paths = addresses(season, PARTS[part])

    fuzz(server, paths, length(400, 10_000))

    # It came as far as views that had something to say.
    assert (len(paths) >= 4, server.statuses[200] > 0, len(server.statuses) > 3) == (True, True, True)


# --- Controls ------------------------------------------------------------------------------------------------------


def refuses_all_but_text(request: Any) -> HttpResponse:
    return HttpResponse(request.body.decode())


def echoes_into_a_header(request: Any) -> HttpResponse:
    return HttpResponse(headers={"X-Query": unquote(request.META["QUERY_STRING"])})


def reads_a_field(request: Any) -> HttpResponse:
    return HttpResponse(str(json.loads(request.body or b"{}")))


@pytest.mark.parametrize("view", [refuses_all_but_text, echoes_into_a_header, reads_a_field])
def test_control_view_with_a_hole_is_found(server, settings, view):
    class Planted:
        handler500 = staticmethod(api.server_error)

    Planted.urlpatterns = [path("health/planted", view), *urlpatterns]
    settings.ROOT_URLCONF = Planted

    with pytest.raises(AssertionError, match="planted"):
        fuzz(server, ["/health/planted"], 400)
