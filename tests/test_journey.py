"""The main job on real parts: gunicorn, PostgreSQL, an SMTP server, the outbox command, a QR decoder."""

import io
from email import message_from_bytes, policy

import pytest
import requests
import zxingcpp
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message
from PIL import Image

from accounts.models import User
from orders.models import Order
from tests.factories import make_tier
from tests.processes import free_port, process_outbox, web_server
from tests.signing import PATH, new_secret, paid_body, signed_headers

SECRET = new_secret()
PASSWORD = "let me in, please"


class Inbox(Message):
    """Keeps what arrives, as any mail server would hand it to a guest."""

    def __init__(self):
        super().__init__()
        self.mails = []

    def handle_message(self, message):
        self.mails.append(message_from_bytes(message.as_bytes(), policy=policy.default))


@pytest.fixture
def inbox():
    inbox = Inbox()
    server = Controller(inbox, hostname="127.0.0.1", port=free_port())
    server.start()
    inbox.variables = {"EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": str(server.port), "EMAIL_STARTTLS": "0"}
    yield inbox
    server.stop()


def decode_ticket(mail):
    """What a phone reads from the picture in the mail."""
    [picture] = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert picture["Content-ID"] == "<qrcode>"
    return zxingcpp.read_barcode(Image.open(io.BytesIO(picture.get_content()))).text


@pytest.mark.real_bcrypt
@pytest.mark.django_db(transaction=True)
def test_guest_orders_pays_gets_the_ticket_and_is_let_in_once(inbox):
    tier = make_tier(quantity=5)
    User.objects.create_user("door@example.com", PASSWORD, name="Door", role="staff")

    with web_server(PAYMENT_WEBHOOK_SECRETS=SECRET) as address:
        number = order_two_tickets(address, tier)
        process_outbox(**inbox.variables)
        [asked] = inbox.mails
        assert asked["Subject"].endswith("please pay")

        pay(address, number)
        process_outbox(**inbox.variables)
        [_, mail] = inbox.mails
        assert mail["To"] == "lucia@example.com"

        door = sign_in(address)
        ticket = decode_ticket(mail)
        first, second = (door.post(f"{address}/api/checkin", json={"qr_code": ticket}, timeout=30) for _ in range(2))
        assert (first.status_code, first.json()["ticket"]["quantity"]) == (200, 2)
        assert (second.status_code, second.json()["code"]) == (400, "ALREADY_CHECKED_IN")


def order_two_tickets(address, tier):
    body = {
        "eventId": str(tier.event_id),
        "tierId": str(tier.pk),
        "buyerName": "Lucía Pérez",
        "buyerEmail": "lucia@example.com",
        "quantity": 2,
    }
    response = requests.post(f"{address}/api/orders", json=body, timeout=30)
    assert (response.status_code, response.json()["qrCode"]) == (201, None)
    return response.json()["order"]["orderNumber"]


def pay(address, number):
    """Twice, as providers do when they are not sure."""
    body = paid_body(Order.objects.get(order_number=number))
    headers = signed_headers(SECRET, body)
    for _ in range(2):
        response = requests.post(f"{address}{PATH}", data=body, headers=headers, timeout=30)
        assert response.json() == {"received": True, "processed": True}
    assert requests.get(f"{address}/api/orders/{number}", timeout=30).json()["order"]["status"] == "paid"


def sign_in(address):
    credentials = {"email": "door@example.com", "password": PASSWORD}
    answer = requests.post(f"{address}/api/auth/login", json=credentials, timeout=30).json()
    door = requests.Session()
    door.headers["Authorization"] = f"Bearer {answer['accessToken']}"
    return door
