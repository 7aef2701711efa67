"""Whoever steals a copy of the database, or the logs, gets in nowhere: a busy evening is played through the real
programs, and then every secret of it is looked for."""

import base64
import re
import subprocess
import sys
from email import policy
from email.parser import BytesParser
from types import SimpleNamespace

import pytest
import requests
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore

from accounts.models import User
from accounts.services import staff
from audit.services import record
from homeproductions.mail.models import OutboxEmail
from newsletter.models import Subscriber
from orders.codes import code_for
from orders.models import CheckIn, Order, RefusedScan, WebhookDelivery
from tests.dumps import everything, found_in
from tests.factories import make_tier, make_user
from tests.processes import ROOT, environment, web_server
from tests.signing import PATH, new_secret, paid_body, signed_headers
from tests.test_journey import decode_ticket

OLD, NEW, WRONG = "correct horse battery", "a new horse, stapled", "my bank's password"
DOOR = "door@example.com"
PATIENCE = 30  # seconds
KEYS = ("JWT_SECRET", "JWT_REFRESH_SECRET", "SECRET_KEY", "TICKET_KEY")
LINK = re.compile(
    r"https?://[^\s\"<>]+/(?:orders|newsletter/confirm|newsletter/unsubscribe|set-password/[^/]+)/([^/\s\"<>]+)/"
)


class Evening:
    """Everybody who comes by, against a running server. `secrets` collects what nobody may read afterwards."""

    def __init__(self, address, folder, webhook_secret):
        self.address, self.folder, self.webhook_secret = address, folder, webhook_secret
        raw = base64.b64decode(webhook_secret.removeprefix("whsec_"))
        self.secrets = {
            "webhook secret": webhook_secret,
            "webhook secret without its mark": webhook_secret.removeprefix("whsec_"),
            "webhook key": raw.hex(),
            "old password": OLD,
            "new password": NEW,
            "password of something else": WRONG,
        }

    def post(self, path, body=None, **options):
        return requests.post(self.address + path, json=body or {}, timeout=PATIENCE, **options)

    def get(self, path, **options):
        return requests.get(self.address + path, timeout=PATIENCE, **options)

    # --- Staff ---

    def staff_signs_in(self):
        session = self._tokens("first", self.post("/api/auth/login", {"email": DOOR, "password": OLD}))
        again = self._tokens("second", self.post("/api/auth/refresh", {"refreshToken": session["refreshToken"]}))
        self.post("/api/auth/refresh", {"refreshToken": session["refreshToken"]})
        self.post("/api/auth/login", {"email": DOOR, "password": WRONG})
        self.post("/api/auth/login", {"email": WRONG, "password": DOOR})  # in the wrong field
        self.get(f"/api/auth/me?token={again['accessToken']}")
        self.get(f"/api/auth/me/{again['refreshToken']}")
        return again

    def staff_changes_the_password(self, tokens):
        change = {"currentPassword": OLD, "newPassword": NEW}
        answer = self.post("/api/auth/change-password", change, headers=bearer(tokens))
        assert answer.status_code == 200
        return self._tokens("third", self.post("/api/auth/login", {"email": DOOR, "password": NEW}))

    def office_signs_in(self):
        browser = requests.Session()
        page = browser.get(f"{self.address}/admin/login/", timeout=PATIENCE)
        form = {
            "username": DOOR,
            "password": NEW,
            "csrfmiddlewaretoken": browser.cookies["csrftoken"],
            "next": "/admin/",
        }
        browser.post(f"{self.address}/admin/login/", data=form, headers={"Referer": page.url}, timeout=PATIENCE)
        self.secrets["admin session"] = browser.cookies["sessionid"]
        assert browser.get(f"{self.address}/admin/door/", timeout=PATIENCE).url.endswith("/admin/door/")

    def _tokens(self, name, answer):
        assert answer.status_code == 200
        tokens = answer.json()
        self.secrets |= {f"{name} access token": tokens["accessToken"], f"{name} refresh token": tokens["refreshToken"]}
        return tokens

    # --- Guests ---

    def guest_orders(self, tier, number):
        buyer = {"buyerName": f"Guest {number}", "buyerEmail": f"guest{number}@example.org", "quantity": 1}
        key = f"a key of {number} that nobody guesses"
        self.secrets[f"idempotency key {number}"] = key
        wish = {"eventId": str(tier.event_id), "tierId": str(tier.pk), **buyer}
        answer = self.post("/api/orders", wish, headers={"Idempotency-Key": key}).json()
        order = Order.objects.get(order_number=answer["order"]["orderNumber"])
        self.secrets[f"order page {number}"] = LINK.search(answer["orderUrl"])[1]
        self.secrets[f"code {number}"] = code_for(order.pk, 1)
        self.get(f"/orders/{self.secrets[f'order page {number}']}/")
        return order

    def provider_tells(self, order):
        body = paid_body(order, customer={"name": order.buyer_name})
        for secret in (self.webhook_secret, new_secret()):
            requests.post(self.address + PATH, data=body, headers=signed_headers(secret, body), timeout=PATIENCE)

    def guest_looks(self, order, number):
        token = self.secrets[f"order page {number}"]
        assert self.get(f"/orders/{token}/qr.png").status_code == 200
        self.get(f"/api/orders/{order.order_number}?token={token}")
        self.get(f"/api/orders/{order.order_number}?email={order.buyer_email}")
        self.get(f"/orders/x{token}/")

    def guest_subscribes(self):
        self.post("/api/newsletter/subscribe", {"email": "reader@example.org"})

    # --- The door ---

    def door_scans(self, tokens, ticket, order):
        scan = {"qr_code": ticket, "nonce": "1"}
        answers = [self.post("/api/checkin", {**scan, "nonce": each}, headers=bearer(tokens)) for each in "12"]
        assert [answer.status_code for answer in answers] == [200, 400]
        code = code_for(order.pk, order.code_version)
        self.post("/api/checkin", {"qr_code": code}, headers=bearer(tokens))
        self.post("/api/checkin", {"qr_code": code_for(order.pk, 99)}, headers=bearer(tokens))
        self.secrets["code of nobody"] = code_for(order.pk, 99)
        for path in (f"/api/checkin/verify/{code}", f"/api/orders/{code}", f"/orders/{code}/", f"/{code}"):
            self.get(path, headers=bearer(tokens))

    # --- Mail ---

    def worker_mails(self):
        """Sends everything, and learns what the mails open."""
        variables = environment(EMAIL_FOLDER=str(self.folder), LOG_LEVEL="debug", PUBLIC_URL=self.address)
        subprocess.run([sys.executable, "manage.py", "process_outbox"], cwd=ROOT, env=variables, check=True)
        mails = [BytesParser(policy=policy.default).parsebytes(path.read_bytes()) for path in self.folder.glob("*.eml")]
        for mail in mails:
            for token in LINK.findall(mail.get_body(("plain",)).get_content()):
                self.secrets[f"link {token[:6]} in a mail to {mail['To']}"] = token
        return mails

    def reader_confirms(self, mails):
        [mail] = [mail for mail in mails if mail["To"] == "reader@example.org"]
        token = LINK.search(mail.get_body(("plain",)).get_content())[1]
        path = f"/newsletter/confirm/{token}/"
        self.get(path)
        requests.post(self.address + path, timeout=PATIENCE)
        assert Subscriber.objects.get().is_active


def bearer(tokens):
    return {"Authorization": f"Bearer {tokens['accessToken']}"}


def play(evening):
    User.objects.create_user(DOOR, OLD, name="Door", role="staff")
    tier, free = make_tier(quantity=20), make_tier(price=0)
    tokens = evening.staff_changes_the_password(evening.staff_signs_in())
    orders = [evening.guest_orders(tier, number) for number in range(3)]
    evening.guest_orders(free, 3)
    for order in orders[:2]:
        evening.provider_tells(order)
    evening.guest_looks(orders[0], 0)
    evening.guest_subscribes()
    boss = make_user("superadmin")
    staff.invite(email="new@example.com", name="New", role="staff", actor=boss)
    mails = evening.worker_mails()
    evening.reader_confirms(mails)
    ticket = decode_ticket(
        next(mail for mail in mails if mail["To"] == orders[0].buyer_email and "ticket-qr" in str(mail))
    )
    evening.door_scans(tokens, ticket, Order.objects.get(pk=orders[0].pk))
    evening.office_signs_in()


def happened():
    return SimpleNamespace(
        paid=Order.objects.filter(status="paid").count(),
        mailed=OutboxEmail.objects.filter(status="sent").count(),
        inside=CheckIn.objects.count(),
        refused=RefusedScan.objects.count(),
        notices=WebhookDelivery.objects.count(),
    )


@pytest.mark.real_bcrypt
@pytest.mark.django_db(transaction=True)
def test_neither_the_database_nor_the_logs_open_anything(tmp_path, capfd):
    secret = new_secret()
    with web_server(PAYMENT_WEBHOOK_SECRETS=secret, LOG_LEVEL="debug", workers=2) as address:
        evening = Evening(address, tmp_path, secret)
        play(evening)
    stored, logged = everything(), "".join(capfd.readouterr())

    done = happened()
    assert (done.paid, done.mailed, done.inside, done.refused, done.notices) == (3, 6, 1, 3, 2)
    assert len(evening.secrets) >= 25
    evening.secrets |= {name: getattr(settings, name) for name in KEYS}
    assert "guest1@example.org" in stored  # the control: this is what was dumped ...
    assert "/api/checkin" in logged  # ... and what was logged
    assert [name for name, secret in evening.secrets.items() if found_in(stored, secret)] == []
    assert [name for name, secret in evening.secrets.items() if found_in(logged, secret)] == []
    assert "guest1@example.org" not in logged


# --- Controls: what would be found if it stood somewhere ---------------------------------------------------------


def in_the_audit(secret):
    record("LOGIN", new={"deep": [{"in": f"token {secret}"}]})


def in_a_stored_notice(secret):
    WebhookDelivery.objects.create(provider="webhook", event_id="x", body=f'{{"x": "{secret}"}}'.encode())


def in_a_session(secret):
    session = SessionStore()
    session["said"] = ["long enough to be compressed" * 20, secret]
    session.create()


def in_base64(secret):
    record("LOGIN", new={"token": base64.b64encode(secret.encode()).decode()})


def in_small_letters(secret):
    record("LOGIN", new={"token": secret.lower()})


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("plant", [in_the_audit, in_a_stored_notice, in_a_session, in_base64, in_small_letters])
def test_what_is_planted_is_found(plant):
    secret = "0123456789ABCDEF0123456789ABCDEF"
    assert not found_in(everything(), secret)

    plant(secret)

    assert found_in(everything(), secret)
