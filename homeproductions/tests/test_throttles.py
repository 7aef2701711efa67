"""Who is counted where, what they are told, and who must never meet a limit."""

import pytest
from django.db import OperationalError, connection
from django.test import RequestFactory
from django.urls import URLPattern
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from audit.models import AuditLog
from homeproductions import counting, throttles
from homeproductions.counters import PostgresCounters
from homeproductions.urls import urlpatterns
from orders.models import Order
from tests.factories import bearer, make_order, make_tier, make_user
from tests.signing import PATH as WEBHOOK
from tests.signing import new_secret, signed_headers

pytestmark = [pytest.mark.django_db, pytest.mark.rate_limits, pytest.mark.usefixtures("clock")]

LOGIN = "/api/auth/login"
WRONG = {"email": "ana@example.com", "password": "wrong"}
OTHER = {"REMOTE_ADDR": "198.51.100.7"}


def asked_from(**meta):
    return RequestFactory().get("/", **meta)


# --- What a caller is told ----------------------------------------------------------------------------------


def test_eleventh_sign_in_is_refused_in_the_envelope(api):
    answers = [api.post(LOGIN, WRONG) for _ in range(11)]

    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert answers[-1].json() == {"success": False, "error": answers[-1].json()["error"], "code": "RATE_LIMITED"}
    assert AuditLog.objects.filter(action="LOGIN_FAILED").count() == 10


def test_headers_stand_on_every_answer_and_say_when_to_come_back(api, limit):
    limit(auth=(2, 900))
    first, second, third = (api.post(LOGIN, WRONG) for _ in range(3))

    wait = int(first["RateLimit-Reset"])
    assert 0 < wait <= 900
    for answer, left in ((first, "1"), (second, "0"), (third, "0")):
        assert answer["RateLimit-Policy"] == "2;w=900"
        assert (answer["RateLimit-Limit"], answer["RateLimit-Remaining"]) == ("2", left)
        assert answer["RateLimit-Reset"] == str(wait)
    assert third["Retry-After"] == str(wait)
    assert "Retry-After" not in second


def test_window_reopens(api, clock, limit):
    limit(auth=(1, 900))
    api.post(LOGIN, WRONG)
    refused = api.post(LOGIN, WRONG)

    clock.shift(int(refused["Retry-After"]) + 1)

    assert (refused.status_code, api.post(LOGIN, WRONG).status_code) == (429, 401)


def test_limit_per_process_reopens_and_tells_the_same(api, clock, limit):
    limit(public=(2, 60))
    answers = [api.get("/api/events") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer["RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert (answers[0]["RateLimit-Policy"], answers[2]["Retry-After"]) == ("2;w=60", "60")
    clock.shift(61)
    assert api.get("/api/events").status_code == 200


def test_limits_can_be_turned_off(api, settings, limit):
    settings.RATE_LIMIT_ENABLED = False
    limit(auth=(1, 900), public=(1, 60), anonymous=(1, 60))

    assert {api.post(LOGIN, WRONG).status_code for _ in range(3)} == {401}
    assert {api.get("/api/checkin/verify/HP1").status_code for _ in range(3)} == {401}
    assert "RateLimit-Limit" not in api.get("/api/events")


def test_health_has_no_limit(api, limit):
    limit(general=(1, 60), public=(1, 60))

    answers = [api.get("/health") for _ in range(5)]

    assert {answer.status_code for answer in answers} == {200}
    assert "RateLimit-Limit" not in answers[0]


# --- Where a caller is --------------------------------------------------------------------------------------


def test_each_address_has_its_own_bucket(api, limit):
    limit(auth=(1, 900))

    assert [api.post(LOGIN, WRONG).status_code for _ in range(2)] == [401, 429]
    assert api.post(LOGIN, WRONG, **OTHER).status_code == 401


def test_behind_a_trusted_proxy_the_right_most_stranger_counts(api, limit, settings):
    settings.TRUSTED_PROXIES = ["127.0.0.0/8", "100.64.0.0/10"]
    limit(auth=(2, 900))

    def sign_in(chain):
        return api.post(LOGIN, WRONG, headers={"X-Forwarded-For": chain}).status_code

    assert [sign_in(f"198.51.100.{n}, 203.0.113.9, 100.64.0.3") for n in range(4)] == [401, 401, 429, 429]
    assert sign_in("203.0.113.9, 203.0.113.10") == 401


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::"),
        ("2001:db8:1:2:bbbb::2", "2001:db8:1:2::"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("fe80::1%eth0", "fe80::"),
        ("", "unknown"),
    ],
)
def test_address_is_grouped(address, group):
    assert counting.address_of(asked_from(REMOTE_ADDR=address)) == group


# --- Orders -------------------------------------------------------------------------------------------------


def order_body(tier, **changes):
    person = {"buyerName": "Lucía", "buyerEmail": "lucia@example.com"}
    return {"eventId": str(tier.event_id), "tierId": str(tier.pk), **person, **changes}


def test_placed_orders_are_limited_and_refused_tries_are_not(api, limit):
    limit(orders=(2, 900))
    tier = make_tier(quantity=10)

    refused = [api.post("/api/orders", order_body(tier, quantity=11)) for _ in range(5)]
    placed = [api.post("/api/orders", order_body(tier)).status_code for _ in range(3)]

    assert {answer.status_code for answer in refused} == {400}
    assert refused[-1]["RateLimit-Remaining"] == "2"
    assert placed == [201, 201, 429]
    assert Order.objects.count() == 2


def test_what_is_refused_is_given_back(api, limit):
    """So the count is that of the orders placed, however often somebody pressed the button."""
    limit(orders=(1, 900))
    tier = make_tier()

    for _ in range(5):
        api.post("/api/orders", order_body(tier))

    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM rate_limit_counters")
        assert cursor.fetchall() == [(1,)]


def test_order_misses_are_limited_and_hits_are_not(api, limit):
    limit(order_misses=(2, 900))
    order = make_order()

    hits = {api.get(f"/api/orders/{order.order_number}").status_code for _ in range(10)}
    misses = [api.get(f"/api/orders/HP{n}").status_code for n in range(3)]

    assert (hits, misses) == ({200}, [404, 404, 429])
    # A hit would tell a guesser as much as a 404 does.
    assert api.get(f"/api/orders/{order.order_number}").status_code == 429
    assert api.get(f"/api/orders/{order.order_number}", **OTHER).status_code == 200


# --- Webhooks, newsletter, the rest -------------------------------------------------------------------------


def test_bad_signatures_are_limited_and_good_ones_never(api, limit, settings):
    limit(bad_signatures=(2, 60), general=(1, 60), anonymous=(1, 60))
    settings.PAYMENT_WEBHOOK_SECRETS = [new_secret()]
    body = b'{"event": "nothing"}'

    def deliver(secret):
        return api.post(WEBHOOK, body, headers=signed_headers(secret, body))

    bad = [deliver(new_secret()) for _ in range(4)]
    good = {deliver(settings.PAYMENT_WEBHOOK_SECRETS[0]).status_code for _ in range(5)}

    assert [answer.status_code for answer in bad] == [401, 401, 429, 429]
    assert int(bad[-1]["Retry-After"]) > 0
    assert good == {200}


def test_newsletter_forms_share_a_limit(api, limit):
    limit(newsletter=(2, 3600))
    paths = ["/api/newsletter/subscribe", "/api/newsletter/unsubscribe", "/api/newsletter/subscribe"]

    answers = [api.post(path, {"email": "lucia@example.com"}).status_code for path in paths]

    assert answers == [201, 200, 429]


def test_every_public_view_names_its_bucket():
    """The general bucket is too small for what honest guests do."""
    views = {getattr(pattern.callback, "cls", None) for pattern in urlpatterns if isinstance(pattern, URLPattern)}
    public = {view for view in views if view and tuple(view.permission_classes) == (AllowAny,)}
    unnamed = {view.__name__ for view in public if throttles.Default in view.throttle_classes}

    assert unnamed == {"NoSuchRoute", "Description", "SpectacularSwaggerSplitView"}


def test_unknown_routes_share_the_general_limit(api, limit):
    limit(general=(2, 60))

    assert [api.get(f"/api/{path}").status_code for path in ("a", "b/c", "d")] == [404, 404, 429]
    assert api.get("/api/events").status_code == 200


def test_staff_route_without_a_good_token_is_limited_by_address(api, limit):
    limit(anonymous=(2, 60))
    bad = {"Authorization": "Bearer nonsense"}

    answers = [api.get("/api/checkin/verify/HP1", headers=bad) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert (answers[2].json()["code"], answers[2]["RateLimit-Policy"]) == ("RATE_LIMITED", "2;w=60")
    assert int(answers[2]["Retry-After"]) > 0
    # A good token from the same address still opens the door.
    assert api.get("/api/checkin/verify/HP1", headers=bearer()).status_code == 404


def test_signed_in_staff_is_limited_per_user(api, limit):
    limit(staff=(2, 60), general=(1, 60))
    ana, eva = bearer(), bearer()

    answers = [api.get("/api/checkin/verify/HP1", headers=ana) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [404, 404, 429]
    assert answers[0]["RateLimit-Policy"] == "2;w=60"
    assert api.get("/api/checkin/verify/HP1", headers=eva).status_code == 404


@pytest.mark.parametrize("phones", [4, 8])
def test_busy_door_never_meets_a_limit(clock, phones):
    """A quarter of an hour; on each phone a guest every two seconds; one account, one address, one web process."""
    user = make_user()
    refused = 0

    for _ in range(15 * 60 // 2):
        for _request in range(3 * phones):
            request = Request(asked_from())
            request.user = user
            refused += not throttles.Default().allow_request(request, None)
        clock.shift(2)

    assert refused == 0


# --- When counting fails ------------------------------------------------------------------------------------


def test_public_reads_need_no_counter(api, no_counting):
    assert api.get("/api/events").status_code == 200


def test_what_cannot_be_given_back_stays_counted(api, monkeypatch):
    def away(*args):
        raise OperationalError("connection to server failed")

    monkeypatch.setattr(PostgresCounters, "incr", away)

    assert api.get(f"/api/orders/{make_order().order_number}").status_code == 200
