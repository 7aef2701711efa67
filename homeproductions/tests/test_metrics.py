"""/metrics: closed without its token, readable for Prometheus, and true."""

import re
from datetime import timedelta

import pytest
import requests
from django.db import OperationalError
from django.utils import timezone

from homeproductions import metrics
from homeproductions.mail import heartbeat
from homeproductions.mail.models import OutboxEmail, WorkerHeartbeat
from orders.models import Payment
from tests.factories import make_order, make_tier
from tests.processes import ROOT, web_server

TOKEN = "m" * 40
# As the text format has it: a name, labels, a number.
LINE = re.compile(r'([a-z_]+)(?:\{([a-z]+="[^"\\\n]*"(?:,[a-z]+="[^"\\\n]*")*)\})? (-?[0-9.e+-]+)')


@pytest.fixture
def watched(settings):
    settings.METRICS_TOKEN = TOKEN


def bearer(token=TOKEN):
    return {"Authorization": f"Bearer {token}"}


def read(text):
    """The figures by name and labels; fails on whatever is not the text format."""
    figures = {}
    for line in text.splitlines():
        if not line.startswith(("# HELP homeproductions_", "# TYPE homeproductions_")):
            name, labels, value = LINE.fullmatch(line).groups()
            figures[name.removeprefix("homeproductions_"), labels or ""] = float(value)
    return figures


def test_off_without_a_token_in_the_environment(api):
    for headers in ({}, bearer(""), bearer("x")):
        response = api.get("/metrics", headers=headers)
        assert (response.status_code, response.json()["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "NO_TOKEN"),
        ({"Authorization": ""}, "INVALID_TOKEN"),
        (bearer(""), "INVALID_TOKEN"),
        (bearer(TOKEN[:-1]), "INVALID_TOKEN"),
        (bearer(f"{TOKEN}m"), "INVALID_TOKEN"),
        (bearer("\xff" * 40), "INVALID_TOKEN"),
        ({"Authorization": f"Basic {TOKEN}"}, "INVALID_TOKEN"),
        ({"Authorization": TOKEN}, "INVALID_TOKEN"),
    ],
    ids=str,
)
def test_only_with_the_token(api, watched, headers, code):
    response = api.get("/metrics", headers=headers)

    assert (response.status_code, response.json()["code"]) == (401, code)
    assert "homeproductions_" not in response.content.decode()


@pytest.mark.rate_limits
def test_wrong_tokens_are_limited_and_the_right_one_is_not(api, watched, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "anonymous": (3, 60)}

    wrong = [api.get("/metrics", headers=bearer("x")).status_code for _ in range(5)]
    right = [api.get("/metrics", headers=bearer()).status_code for _ in range(5)]

    assert (wrong, right) == ([401, 401, 401, 429, 429], [200] * 5)


@pytest.mark.parametrize("slash", ["", "/"])
def test_figures_of_the_database(api, watched, slash):
    tier = make_tier()
    for status in ("pending", "paid", "paid", "refunded"):
        make_order(tier, status, quantity=2)
    make_order(tier, "paid", is_test=True)
    for status, closed in (("pending", None), ("sent", None), ("failed", None), ("failed", "2026-01-01T00:00Z")):
        OutboxEmail.objects.create(recipient_email="x@example.com", subject="x", status=status, closed_at=closed)
    Payment.objects.create(provider="standard", reference="p1", kind="charge", needs_review="unknown_order")
    with heartbeat.of_a_loop():
        heartbeat.beat()
        response = api.get(f"/metrics{slash}", headers=bearer())

    figures = read(response.content.decode())

    assert response["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert figures["database_up", ""] == 1
    assert [figures["orders", f'status="{word}"'] for word in ("pending", "paid", "refunded", "cancelled")] == [
        1,
        2,
        1,
        0,
    ]
    assert (figures["live_holds", ""], figures["held_seats", ""]) == (1, 2)
    assert [figures["mails", f'state="{word}"'] for word in ("pending", "sent", "failed", "closed")] == [1, 1, 1, 1]
    assert figures["payments_waiting", 'reason="unknown_order"'] == 1
    assert figures["payments_waiting", 'reason="dispute"'] == 0
    assert 0 <= figures["worker_heartbeat_age_seconds", ""] < 60
    assert figures["workers_alive", ""] == 1
    assert 0 < figures["database_connections", ""] <= figures["database_connections_allowed", ""]


def test_heartbeat_is_missing_when_no_worker_ever_ran(api, watched):
    figures = read(api.get("/metrics", headers=bearer()).content.decode())

    assert ("worker_heartbeat_age_seconds", "") not in figures
    assert figures["oldest_unsent_mail_seconds", ""] == 0


def test_without_a_database_the_rest_is_told(api, watched, monkeypatch):
    def away():
        raise OperationalError("gone")

    monkeypatch.setattr(metrics, "from_database", away)
    api.get("/api/nothing")
    response = api.get("/metrics", headers=bearer())

    figures = read(response.content.decode())
    assert (response.status_code, figures["database_up", ""]) == (200, 0)
    assert figures["requests_total", 'route="other",status="404"'] >= 1
    assert not [name for name, _ in figures if name == "orders"]


ALARM = re.compile(r"`((?:absent\()?homeproductions_(\w+)\)?(?: (==|>) (\d+))?)`")
TELL = {"==": float.__eq__, ">": float.__gt__}


def ringing(figures):
    """Those alarms of README that ring."""
    text = (ROOT / "README.md").read_text().partition("Worth an alarm are")[2].partition("\n\n")[0]
    known = [
        (found[1], found[3], found[4], [figures[key] for key in figures if key[0] == found[2]])
        for found in ALARM.finditer(text)
    ]
    assert len(known) == 5
    return {
        text
        for text, sign, number, values in known
        if (any(TELL[sign](value, float(number)) for value in values) if sign else not values)
    }


def long_ago():
    WorkerHeartbeat.objects.create(worker=WorkerHeartbeat.OUTBOX, beat_at=timezone.now() - timedelta(hours=1))


@pytest.mark.parametrize(
    ("prepare", "expected"),
    [
        (heartbeat.beat, set()),
        (lambda: None, {"absent(homeproductions_worker_heartbeat_age_seconds)"}),
        (long_ago, {"homeproductions_worker_heartbeat_age_seconds > 600"}),
    ],
    ids=["a worker is here", "none ever was", "it is gone"],
)
def test_alarms_of_readme_ring_when_no_worker_works(api, watched, prepare, expected):
    prepare()

    assert ringing(read(api.get("/metrics", headers=bearer()).content.decode())) == expected


@pytest.mark.django_db(transaction=True)
def test_all_workers_are_counted_whoever_is_asked():
    with web_server(workers=3, METRICS_TOKEN=TOKEN) as address:
        before = asked(address)
        for _ in range(30):  # each on a connection of its own, so that several workers serve them
            requests.get(f"{address}/api/nothing", timeout=10)
        counts = {asked(address) - before for _ in range(6)}

    assert counts == {30}


def asked(address):
    text = requests.get(f"{address}/metrics", headers=bearer(), timeout=10).text
    return read(text).get(("requests_total", 'route="other",status="404"'), 0)
