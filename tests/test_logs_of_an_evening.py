"""A busy evening on real processes, with everything logged that can be: no line of it knows who came."""

import json
import re
import socket
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
import requests
from aiosmtpd.controller import Controller

from accounts.models import User
from orders import codes, links
from orders.models import Order
from tests.factories import make_tier
from tests.processes import ROOT, environment, free_port, web_server
from tests.signing import PATH, new_secret, paid_body, signed_headers

NAME, EMAIL, PHONE, NATIONALITY = "Xiomara Ñamandú", "xiomara.n@example.com", "+502 5987 1234", "Lemuria"
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
STAFF_EMAIL, PASSWORD = "puerta.z@example.com", "let me in, please"
SECRETS = {name: new_secret() for name in ("PAYMENT_WEBHOOK_SECRETS", "JWT_SECRET", "JWT_REFRESH_SECRET", "TICKET_KEY")}


class RefusingServer:
    """Takes no mail, and says to whom it would have been."""

    async def handle_RCPT(self, server, session, envelope, address, options):
        return f"550 <{address}> is unknown here, {NAME}"


@pytest.fixture
def mail_server():
    server = Controller(RefusingServer(), hostname="127.0.0.1", port=free_port())
    server.start()
    yield {"EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": str(server.port), "EMAIL_STARTTLS": "0"}
    server.stop()


def order_body(tier, **changes):
    body = {
        "eventId": str(tier.event_id),
        "tierId": str(tier.pk),
        "buyerName": NAME,
        "buyerEmail": EMAIL,
        "buyerPhone": PHONE,
        "buyerNationality": NATIONALITY,
        "quantity": 2,
    }
    return {**body, **changes}


@pytest.mark.real_bcrypt
@pytest.mark.django_db(transaction=True)
def test_no_line_knows_who_came(tmp_path, mail_server):
    variables = {**SECRETS, "LOG_LEVEL": "debug", "METRICS_TOKEN": "m" * 40}
    User.objects.create_user(STAFF_EMAIL, PASSWORD, name="Zoraida Door", role="superadmin")
    tier = make_tier(quantity=4)

    with (tmp_path / "log").open("wb") as log:
        with web_server("tests.failing_wsgi", log=log, **variables) as address:
            told = [*guests(address, tier), *staff(address, Order.objects.get())]
            strangers(address)
        for _ in range(2):
            worker(log, {**variables, **mail_server})
    lines = read(tmp_path / "log")

    needles = [NAME, "Xiomara", EMAIL, PHONE, NATIONALITY, STAFF_EMAIL, "Zoraida", PASSWORD, *SECRETS.values(), *told]
    assert leaks(lines, needles) == []
    asked = [line for line in lines if line["event"] == "request"]
    assert len(asked) > 30
    assert all(re.fullmatch(r"[0-9a-f]{16}", line["request_id"]) for line in asked)
    stacks = [line for line in lines if "exception" in line]
    assert {"ValueError", "django.db.utils.DataError"} == {line["exception"].splitlines()[-1] for line in stacks}
    assert any("psycopg.errors.InvalidTextRepresentation: SQLSTATE 22P02" in line["exception"] for line in stacks)
    assert all("tests/failing_wsgi.py" in line["exception"] and line["request_id"] for line in stacks)
    assert any(line.get("logger", "").startswith("homeproductions.mail") for line in lines)
    assert any(line["event"] == "Invalid request" for line in lines)
    # Python's own warnings as well: WhiteNoise has one where nothing was collected.
    assert any(line.get("logger") == "py.warnings" and "No directory at" in line["event"] for line in lines)


@pytest.mark.django_db(transaction=True)
def test_a_line_that_does_know_is_found(tmp_path):
    tier = make_tier()

    with (tmp_path / "log").open("wb") as log, web_server("tests.failing_wsgi", log=log, LOG_LEVEL="info") as address:
        requests.post(f"{address}/api/orders", json=order_body(tier, buyerCountry="leak"), timeout=30)
    lines = [line for line in read(tmp_path / "log", is_strict=False) if line.get("logger") == "careless"]

    # (the address is hidden whoever writes it)
    assert leaks(lines, [NAME, EMAIL, PHONE, NATIONALITY]) == [NAME, PHONE, NATIONALITY]


def leaks(lines, needles):
    """Those that stand in a line, however JSON or an address writes their letters."""
    text = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines).lower()
    texts = text, requests.utils.unquote(text.replace("+", " "))
    return [needle for needle in needles if any(needle.lower() in each for each in texts)]


def read(path, is_strict=True):
    """Every line is JSON with a level and a time, all of them written alike."""
    lines = []
    for line in path.read_text().splitlines():
        if is_strict or line.startswith("{"):
            lines.append(json.loads(line))
            assert {"event", "level", "timestamp"} <= set(lines[-1])
            assert TIMESTAMP.fullmatch(lines[-1]["timestamp"])
    return lines


# --- Who does what that evening -------------------------------------------------------------------------------


def guests(address, tier):
    """Returns what only they may know."""

    def order(**changes):
        return requests.post(f"{address}/api/orders", json=order_body(tier, **changes), timeout=30)

    placed = order()
    assert placed.status_code == 201
    assert order(quantity=3).json()["code"] == "SOLD_OUT"
    assert order(buyerEmail=f"{EMAIL} or so").status_code == 400
    assert [order(buyerCountry=f"{kind} error").status_code for kind in ("value", "database")] == [500, 500]
    assert requests.post(f"{address}/api/orders", data=f"{{{NAME} {EMAIL}", timeout=30).status_code in (400, 415)
    row = Order.objects.get()
    pay(address, row)
    token = links.token_of(row)
    for path in (
        f"/api/orders/{row.order_number}?email={EMAIL}",
        f"/api/orders/{row.order_number}?token={token}&name={NAME}",
        f"/api/orders/{EMAIL}",
        f"/orders/{token}/",
        f"/orders/{token}/qr.png",
        f"/orders/{token}x/?name={NAME}",
        "/newsletter/confirm/" + "x" * 60 + "/",
    ):
        requests.get(f"{address}{path}", timeout=30)
    for path in ("subscribe", "unsubscribe"):
        requests.post(f"{address}/api/newsletter/{path}", json={"email": EMAIL, "name": NAME}, timeout=30)
    return token, codes.code_for(row.pk, row.code_version)


def pay(address, order):
    body = paid_body(order, customer_name=NAME)
    secret = SECRETS["PAYMENT_WEBHOOK_SECRETS"]
    good, bad = signed_headers(secret, body), {**signed_headers(secret, body), "webhook-signature": f"v1,{NAME!a}"}
    answers = [requests.post(f"{address}{PATH}", data=body, headers=each, timeout=30) for each in (good, good, bad)]
    assert [answer.status_code for answer in answers] == [200, 200, 401]
    odd = paid_body(order, metadata={"order_id": NAME}, amount_in_cents=EMAIL)
    requests.post(f"{address}{PATH}", data=odd, headers=signed_headers(secret, odd), timeout=30)


def staff(address, order):
    """Returns what only they may know."""

    def sign_in(password):
        body = {"email": STAFF_EMAIL, "password": password}
        return requests.post(f"{address}/api/auth/login", json=body, timeout=30).json()

    assert not sign_in(f"{PASSWORD}!")["success"]
    tokens = sign_in(PASSWORD)
    headers = {"Authorization": f"Bearer {tokens['accessToken']}"}
    code = codes.code_for(order.pk, order.code_version)
    for scan in (code, code, f"{code[:-1]}x", NAME):
        requests.post(f"{address}/api/checkin", json={"qr_code": scan}, headers=headers, timeout=30)
    for path in (
        f"/api/checkin/verify/{code}",
        f"/api/checkin/verify/{EMAIL}",
        f"/api/admin/orders?search={NAME}",
        f"/api/admin/orders?search={PHONE}",
        f"/api/admin/orders/{order.pk}",
        "/api/admin/stats",
        "/api/auth/me",
    ):
        requests.get(f"{address}{path}", headers=headers, timeout=30)
    for path, body in (
        ("/api/auth/refresh", {"refreshToken": tokens["refreshToken"]}),
        ("/api/auth/change-password", {"currentPassword": NAME, "newPassword": PASSWORD}),
        (f"/api/admin/orders/{order.pk}/resend-email", {}),
        (f"/api/admin/orders/{order.pk}/status", {"status": "refunded", "force": True}),
    ):
        requests.post(f"{address}{path}", json=body, headers=headers, timeout=30)
    office(address)
    return tokens["accessToken"], tokens["refreshToken"], code


def office(address):
    """Signs in to Django admin, wrongly and rightly, and looks for a guest."""
    browser = requests.Session()
    for password in (f"{PASSWORD}!", PASSWORD):
        page = browser.get(f"{address}/admin/login/", timeout=30).text
        form = {
            "csrfmiddlewaretoken": re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1],
            "username": STAFF_EMAIL,
            "password": password,
            "next": "/admin/",
        }
        answer = browser.post(f"{address}/admin/login/", data=form, timeout=30)
    assert answer.url == f"{address}/admin/"
    for path in (f"/admin/orders/order/?q={NAME}", f"/admin/accounts/user/?q={EMAIL}", f"/admin/{EMAIL}/"):
        browser.get(f"{address}{path}", timeout=30)


def strangers(address):
    """Say what no server understands."""
    place = urlsplit(address)
    for text in (f"GET /?email={EMAIL} HTTP/9.9\r\n{NAME}\r\n\r\n", f"{NAME} {EMAIL}\r\n\r\n"):
        with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
            connection.sendall(text.encode())
            connection.recv(1000)


def worker(log, variables):
    """As cron runs it; the mail server is away first and then refuses everybody."""
    command = [sys.executable, "manage.py", "process_outbox"]
    run = subprocess.run(
        command, cwd=ROOT, env=environment(**variables), stdout=subprocess.DEVNULL, stderr=log, check=False
    )
    assert run.returncode == 0
