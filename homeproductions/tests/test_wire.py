"""The habits of the wire: envelope, slashes, headers, JSON for every error."""

import pytest
from django.db import OperationalError

from events.api import public
from tests.factories import bearer, make_event

PUBLIC_PATHS = ["/api/events", "/api/orders", "/api/checkin", "/api/auth/login", "/api/webhook/payment"]


@pytest.mark.parametrize("slash", ["", "/"])
def test_both_slash_forms_answer_directly(api, slash):
    assert api.get(f"/api/events{slash}").status_code == 200
    assert api.get(f"/health{slash}").status_code == 200
    assert api.post(f"/api/orders{slash}", {}).json()["code"] == "MISSING_REQUIRED_FIELDS"


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/nothing", "/api/events/a/b", "/nothing", "/API/events"])
@pytest.mark.parametrize("method", ["get", "post", "put", "delete", "patch", "options"])
def test_unknown_route_is_json(api, method, path):
    response = getattr(api, method)(path)

    assert (response.status_code, response["Content-Type"]) == (404, "application/json")
    assert set(response.json()) == {"success", "error", "code"}
    assert response.json()["code"] == "NOT_FOUND"


@pytest.mark.parametrize("path", ["/api/events", "/api/orders/HP1", "/health"])
@pytest.mark.parametrize("method", ["put", "delete", "patch", "options"])
def test_wrong_method_is_not_found(api, method, path):
    response = getattr(api, method)(path)

    assert (response.status_code, response.json()["code"]) == (404, "NOT_FOUND")


def test_unknown_admin_route_asks_for_a_token_first(api):
    assert api.get("/api/admin/nothing").json()["code"] == "NO_TOKEN"
    assert api.get("/api/admin/nothing", headers=bearer()).json()["code"] == "NOT_FOUND"


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "*/*", "nonsense"])
def test_accept_header_does_not_matter(api, accept):
    response = api.get("/api/events?format=xml", headers={"Accept": accept, "Content-Type": "application/json"})

    assert (response.status_code, response["Content-Type"]) == (200, "application/json")


def test_head_is_answered(api):
    assert api.head("/api/events").status_code == 200


@pytest.mark.parametrize("address", ["/api/events/%00", "/api/orders/HP%00", "/api/orders/HP1?email=%00"])
def test_nul_in_an_address_is_refused(api, address):
    response = api.get(address)

    assert (response.status_code, response.json()["code"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("path", ["/api/auth/login", "/api/orders"])
def test_thousands_of_fields_are_refused(api, path):
    form = "&".join(f"a{n}=1" for n in range(1100))

    for response in (
        api.post(path, form, content_type="application/x-www-form-urlencoded"),
        api.get(f"/api/events?{form}"),
    ):
        assert response.status_code in (200, 400)
    assert api.get(f"/api/admin/orders?{form}", headers=bearer()).json()["code"] == "VALIDATION_ERROR"


def test_chunked_body_is_told_from_an_empty_one(api):
    response = api.post("/api/orders", {}, headers={"Transfer-Encoding": "chunked"})

    assert (response.status_code, response.json()["code"]) == (411, "LENGTH_REQUIRED")


@pytest.mark.parametrize("method", ["post", "put", "delete", "options"])
def test_docs_page_refuses_in_json_too(api, method):
    assert getattr(api, method)("/api/docs").json()["code"] == "NOT_FOUND"


def test_preflight_answers_without_a_body(api, settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://admin.homeproductions.art"]
    asked = {"Origin": "https://admin.homeproductions.art", "Access-Control-Request-Method": "PUT"}

    response = api.options("/api/admin/events", headers=asked)

    assert (response.status_code, response.content) == (204, b"")
    assert response["Access-Control-Allow-Origin"] == asked["Origin"]


def test_secure_connection_is_believed_from_proxies_only(api, settings):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]

    def is_secure(peer):
        answer = api.get("/health", REMOTE_ADDR=peer, headers={"X-Forwarded-Proto": "https"})
        return "Strict-Transport-Security" in answer

    assert (is_secure("10.1.2.3"), is_secure("203.0.113.9")) == (True, False)


def test_unforeseen_error_says_nothing_about_itself(api, monkeypatch):
    def fail():
        raise RuntimeError("secret detail")

    monkeypatch.setattr(public.queries, "on_sale", fail)
    response = api.get("/api/events")

    assert (response.status_code, response.json()["code"]) == (500, "SERVER_ERROR")
    assert "secret" not in response.content.decode()


def test_database_away_asks_to_come_back(api, monkeypatch):
    def fail():
        raise OperationalError("connection to server failed")

    monkeypatch.setattr(public.queries, "on_sale", fail)
    response = api.get("/api/events")

    assert (response.status_code, response.json()["code"]) == (503, "UNAVAILABLE")
    assert int(response["Retry-After"]) > 0


def test_wrong_host_is_json(api):
    response = api.get("/api/events", headers={"Host": "evil.example.com"})

    assert (response.status_code, response.json()["success"]) == (400, False)


@pytest.mark.parametrize("path", ["/health", "/health/live"])
def test_probe_may_use_any_address(api, path):
    """Railway says healthcheck.railway.app, Docker 127.0.0.1, a balancer the machine's number."""
    assert api.get(path, headers={"Host": "healthcheck.railway.app"}).status_code == 200


@pytest.mark.parametrize(
    "path", ["/api/events", "/api/nothing", "/health", "/api/checkin", "/admin/login/", "/nothing"]
)
def test_every_answer_carries_the_security_headers(api, path):
    headers = api.get(path, secure=True).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
    assert "default-src" in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == ("no-referrer" if path.startswith(("/api", "/health")) else "same-origin")


def test_allowed_origin_sees_errors_too_and_others_do_not(api, settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://admin.homeproductions.art"]
    good = {"Origin": "https://admin.homeproductions.art"}
    evil = {"Origin": "https://admin.homeproductions.art.evil.com"}

    for path in ("/api/events", "/api/nothing", "/api/checkin/verify/x", "/api/events/%00"):
        assert api.get(path, headers=good)["Access-Control-Allow-Origin"] == good["Origin"]
        assert "Access-Control-Allow-Origin" not in api.get(path, headers=evil)
        assert "Access-Control-Allow-Credentials" not in api.get(path, headers=good)


def test_answers_are_compressed_when_asked(api):
    for _ in range(5):
        make_event()

    assert api.get("/api/events", headers={"Accept-Encoding": "gzip"})["Content-Encoding"] == "gzip"


def test_docs_page_loads_nothing_from_elsewhere(api):
    page = api.get("/api/docs").content.decode()

    assert "swagger-ui" in page
    assert "http://" not in page
    assert "https://" not in page


def test_schema_lists_every_route(api):
    paths = set(api.get("/api/schema", headers={"Accept": "application/json"}).json()["paths"])

    assert {
        "/health",
        "/health/live",
        "/metrics",
        "/api/events",
        "/api/events/{reference}",
        "/api/checkin/verify/{number}",
        *PUBLIC_PATHS,
    } <= paths


@pytest.mark.parametrize("query", ["version=a%0d%0aX-Attack:%201", "lang=es", "version=2", "format=yaml"])
def test_description_is_the_same_whatever_is_asked_for(api, query):
    answer = api.get(f"/api/schema?{query}")

    assert (answer.status_code, answer.json()) == (200, api.get("/api/schema").json())
    assert "X-Attack" not in answer
