"""Pages of other sites: origins that look like ours, forms posted from elsewhere, links that lead away, false hosts."""

import pytest
from django.core import mail
from django.test import Client

from homeproductions.mail.delivery import process_due
from homeproductions.mail.models import OutboxEmail
from orders import mails
from tests.factories import make_order, make_user

from .routes import Caller, api_routes, pages
from .season import steps_of

OURS = "https://admin.homeproductions.art"
LOOKALIKES = [
    "https://admin.homeproductions.art.evil.example",
    "https://eviladmin.homeproductions.art",
    "https://admin-homeproductions.art",
    "https://x.admin.homeproductions.art",
    "https://homeproductions.art",
    "http://admin.homeproductions.art",
    "ws://admin.homeproductions.art",
    "https://admin.homeproductions.art:8443",
    "https://admin.homeproductions.art:443:80",
    "https://ADMIN.homeproductions.art",
    "https://admin.homeproductions.art.",
    "https://admin.homeproductions.art@evil.example",
    "https://evil.example/https://admin.homeproductions.art",
    "https://evil.example#https://admin.homeproductions.art",
    "https://admin.homeproductions.art https://evil.example",
    "https://admin.homeproductions.art,https://evil.example",
    "https://admin.homeproductions.art\x00.evil.example",
    "https://admin%2ehomeproductions.art",
    "https://xn--admin-homeproductions.art",
    "https://аdmin.homeproductions.art",  # noqa: RUF001 (the first letter is Cyrillic)
    "https://admin.homeproductions_art",
    "//admin.homeproductions.art",
    "admin.homeproductions.art",
    "null",
    "*",
    "",
    " ",
    "file://",
    "chrome-extension://abcdef",
    "https://[::1]",
    "https://[",
    "https://a:b",
]


@pytest.fixture(autouse=True)
def one_origin(settings):
    settings.CORS_ALLOWED_ORIGINS = [OURS]


def shared_with(answer) -> str | None:
    assert "Access-Control-Allow-Credentials" not in answer
    return answer.get("Access-Control-Allow-Origin")


@pytest.mark.parametrize("origin", LOOKALIKES, ids=ascii)
def test_origin_that_looks_like_ours_is_told_nothing(api, origin):
    sent = {"Origin": origin.encode().decode("latin-1")}
    asked = {**sent, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}

    for answer in (
        api.get("/api/events", headers=sent),
        api.get("/api/nothing", headers=sent),
        api.get("/health", headers=sent),
        api.options("/api/admin/events", headers=asked),
    ):
        assert answer.status_code < 500
        assert shared_with(answer) is None


@pytest.mark.parametrize("route", api_routes(), ids=str)
def test_every_route_tells_our_origin_and_no_other(api, route):
    path = route.filled("x")

    assert shared_with(api.get(path, headers={"Origin": LOOKALIKES[0]})) is None
    # Prometheus is no browser, and the description's page is asked by nobody but itself.
    is_for_browsers = path != "/metrics"
    assert shared_with(api.get(path, headers={"Origin": OURS})) == (OURS if is_for_browsers else None)
    # Whoever stores an answer must know that it differs by origin.
    assert "origin" in api.get(path)["Vary"].lower() or not is_for_browsers


def test_pages_are_for_no_other_origin(db):
    for route in pages():
        if not route.names:
            answer = Client(raise_request_exception=False).get(route.template, headers={"Origin": OURS})
            assert "Access-Control-Allow-Origin" not in answer, route


def test_control_list_of_patterns_lets_a_lookalike_in(api, settings):
    settings.CORS_ALLOWED_ORIGIN_REGEXES = [r"^https://admin.homeproductions.art"]

    assert shared_with(api.get("/api/events", headers={"Origin": LOOKALIKES[0]})) == LOOKALIKES[0]


# --- Forms posted from elsewhere -------------------------------------------------------------------------------------

# They need no cookie: the token in the address is the whole authority, or nobody is signed in yet.
WITHOUT_COOKIES = ("/orders/", "/newsletter/", "/favicon.ico")


def office_posts(season):
    for route in pages():
        if route.template.startswith(WITHOUT_COOKIES) or route.template == "/":
            continue
        names = steps_of(route.template) if "{name}" in route.template else [""]
        for name in names:
            yield route.path({**season.values(route.template), "name": name})


def strict_client(caller: Caller) -> Client:
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(caller.user)
    return client


def test_no_form_of_the_office_is_taken_from_elsewhere(season, callers):
    client = strict_client(callers["superadmin"])
    paths = sorted(set(office_posts(season)))

    taken = {path: client.post(path, {"a": "b"}).status_code for path in paths}

    assert {path: status for path, status in taken.items() if status != 403} == {}
    assert len(paths) > 100


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://testserver.evil.example"},
        {"Referer": "https://evil.example/"},
    ],
    ids=str,
)
def test_token_of_a_form_does_not_count_from_another_site(season, callers, headers):
    client = strict_client(callers["superadmin"])
    client.cookies["csrftoken"] = token = "c" * 32
    path = f"/admin/orders/order/{season.orders['pending'].pk}/do/cancel/"
    is_secure = "Referer" in headers  # it counts on secure connections only

    answer = client.post(path, {"csrfmiddlewaretoken": token}, headers=headers, secure=is_secure)

    season.orders["pending"].refresh_from_db()
    assert (answer.status_code, season.orders["pending"].status) == (403, "pending")


def test_control_the_same_form_counts_from_our_own_page(season, callers):
    client = strict_client(callers["superadmin"])
    client.cookies["csrftoken"] = token = "c" * 32
    path = f"/admin/orders/order/{season.orders['pending'].pk}/do/cancel/"

    client.post(path, {"csrfmiddlewaretoken": token}, headers={"Origin": "http://testserver"})

    season.orders["pending"].refresh_from_db()
    assert season.orders["pending"].status == "cancelled"


def signed_in(client, **more):
    user = make_user("admin")
    user.set_password("correct horse battery")
    user.save()
    return client.post("/admin/login/", {"username": user.email, "password": "correct horse battery", **more})


def test_cookies_of_the_office_are_out_of_reach(client, db):
    cookies = signed_in(client).cookies

    assert (cookies["sessionid"]["httponly"], cookies["sessionid"]["samesite"]) == (True, "Lax")
    assert cookies["csrftoken"]["samesite"] == "Lax"


def test_session_of_the_office_opens_nothing_in_the_api(callers):
    """Or any page could call the API with the cookies of whoever reads it."""
    for route in api_routes():
        if route.template.startswith("/api/admin"):
            answer = callers["superadmin"].client.get(route.filled("x"))
            assert (answer.status_code, answer.json()["code"]) == (401, "NO_TOKEN"), route


# --- Links that lead away --------------------------------------------------------------------------------------------

AWAY = [
    "https://evil.example/",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "http:evil",
]
AWAY += [
    "https:///evil.example",
    "javascript:alert(1)",
    "/\t/evil.example",
    "https://testserver@evil.example/",
    " //e.ex",
]
AWAY += [
    "https://testserver.evil.example/",
    "\x00//evil.example",
    "/%0d%0aLocation:%20//evil.example",
    "data:text/html,x",
]


@pytest.mark.parametrize("target", AWAY, ids=ascii)
def test_nobody_is_led_away(client, db, target):
    answers = [
        signed_in(client, next=target),
        client.get("/admin/login/", {"next": target}),
        client.get("/", {"next": target}),
        client.post("/admin/logout/", {"next": target}),
        client.post(f"/admin/login/?next={target}", {"username": "nobody"}),
    ]

    for answer in answers:
        if answer.status_code in (301, 302, 303, 307, 308):
            where = answer["Location"]
            assert where.startswith("/"), where
            assert not where.startswith(("//", "/\\", "/\t")), where


def test_control_link_within_the_office_is_followed(client, db):
    assert signed_in(client, next="/admin/orders/order/")["Location"] == "/admin/orders/order/"


# --- Forged hosts ----------------------------------------------------------------------------------------------------

HOSTS = [
    "evil.example",
    "testserver.evil.example",
    "evil.example:80",
    "testserver:80@evil.example",
    "",
    " ",
    "a b",
    "[",
]
HOSTS += [
    "testserver/evil",
    "testserver\\evil",
    "testserver,evil.example",
    "evil.example#testserver",
    "..",
    "\xff",
    "_",
]


@pytest.mark.parametrize("host", HOSTS, ids=ascii)
def test_forged_host_is_refused(api, host):
    for path in ("/api/events", "/admin/login/", "/nothing", "/newsletter/confirm/x/"):
        answer = api.get(path, headers={"Host": host}) if host else api.get(path, HTTP_HOST="")
        assert answer.status_code == 400, path
        assert "evil" not in answer.content.decode()


def test_host_that_others_claim_is_not_believed(client, db):
    forged = dict.fromkeys(("X-Forwarded-Host", "X-Host", "X-Forwarded-Server", "X-Original-Host"), "evil.example")

    for path in ("/admin/", "/", "/favicon.ico"):
        answer = client.get(path, headers={**forged, "Forwarded": "host=evil.example"})
        assert "evil" not in answer.get("Location", "")


def test_links_in_mails_lead_to_our_address_whoever_asked(api, db, settings, monkeypatch):
    """The address of a mail's links is a setting, not what some request called itself."""
    settings.PUBLIC_URL = "https://tickets.example"
    settings.ALLOWED_HOSTS = ["*"]
    settings.MAIL_TRANSPORT = "django.core.mail.backends.locmem.EmailBackend"
    mails.queue_ticket(make_order(status="paid"))
    api.post("/api/newsletter/subscribe", {"email": "lucia@example.com"}, headers={"Host": "evil.example"})

    process_due()

    assert len(mail.outbox) == OutboxEmail.objects.count() == 2
    for message in mail.outbox:
        assert "https://tickets.example/" in message.body
        assert "evil" not in message.message().as_string()
