"""Hostile texts in every column of every table that may hold somebody's text, followed to wherever they are shown:
pages, the API, files, mails, calendars. Nowhere are they markup, a header of their own, or a formula."""

import csv
import email
import io
import json
from email import policy
from html.parser import HTMLParser

import openpyxl
import pytest
from constance import config
from django.template import engines

from homeproductions.mail import services as outbox
from homeproductions.mail.delivery import compose
from homeproductions.mail.errors import NotWanted
from homeproductions.mail.models import OutboxEmail
from homeproductions.mail.registry import RENDERERS
from homeproductions.office import exports
from orders import mails as order_mails
from tests.factories import bearer, make_event, make_tier, make_user
from tests.lengths import length

from .routes import Caller, every_route, undone
from .season import Season, plant, plant_address, steps_of

MARK = "x-attack"
TEXTS = {
    "HTML": f"<{MARK}></{MARK}><script>{MARK}</script>",
    "an attribute": f'" {MARK}=1 \' {MARK}=2 onerror={MARK} x="',
    "out of a text field": f"</textarea></title></option></style>--><{MARK}>",
    "headers": f"a\r\n{MARK}: 1\r\nBcc: all@example.com\r\n\r\n<{MARK}>",
    "a header, line feed only": f"a\n{MARK}: 1\nBcc: all@example.com\n\nb",
    "other ends of lines": f"a\x0b{MARK}: 1\x0c{MARK}: 1\x85{MARK}: 1\u2028{MARK}: 1\u2029b",
    "an entry of a calendar": f"a\nEND:VEVENT\nBEGIN:VEVENT\n{MARK.upper()}:1\nb;c,d\\n",
    "a formula": f'=HYPERLINK("https://evil.example/{MARK}";"a")',
    "a formula behind a separator": "a;=1+1\n=1+1\t=1+1,=1+1",
    "other formulas": "@SUM(1+1)*cmd|' /C calc'!A0",
    "SQL": "'; DROP TABLE orders; -- \" OR 1=1 %s %(a)s {0}",
    "template": f"{{{{ 7|add:7 }}}}{{% load x %}}${{7*7}}#{{7*7}}<%= 7*7 %>{MARK}",
    "direction": "\u202egnp.exe\u2066\u200f\u202d",
    "address": f"javascript:alert('{MARK}')",
}
# One of each kind first: the walk through all pages is long, and shortened it takes those.
FIRST = ("HTML", "headers", "a formula", "SQL", "direction")
KINDS = [*FIRST, *(name for name in TEXTS if name not in FIRST)]
# E-mail addresses that are some, and taken.
MAILBOXES = {
    "quotes": f'"<{MARK}>"@example.com',
    "a formula": "=1+1@example.com",
    "quoted quotes": f'"\\"<{MARK}>"@example.com',
    "an apostrophe": f"'onerror={MARK}'@example.com",
    "a quoted formula": '"=1+1"@example.com',
    "a number": "-1+1@example.com",
    "template": "{{7*7}}@example.com",
}
PLAIN_HEADERS = {"x-outbox-id", "message-id", "from", "to", "subject", "reply-to", "date", "mime-version"}
PLAIN_HEADERS |= {"content-type", "content-transfer-encoding", "list-unsubscribe", "list-unsubscribe-post"}
RUN = ("javascript:", "data:text", "vbscript:")
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


class Markup(HTMLParser):
    """What a browser would make of a page: elements, attributes, scripts and where links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.in_script = False

    def handle_starttag(self, tag, attributes):
        self.in_script = tag in ("script", "style")
        for name, value in attributes:
            leads = (value or "").strip().lower()
            if name in ("href", "src", "action", "formaction") and leads.startswith(
                ("javascript:", "data:text", "vbscript:")
            ):
                self.found.append(f"{name} leads to {leads[:40]}")
            if MARK in name or name.startswith("on"):
                self.found.append(f"attribute {name} of {tag}")
        if MARK in tag:
            self.found.append(f"element {tag}")

    def handle_endtag(self, tag):
        self.in_script = False

    def handle_data(self, data):
        if self.in_script and MARK in data:
            self.found.append("script")


def executed(html: str) -> list[str]:
    page = Markup()
    page.feed(html)
    return page.found


# --- What is looked at ------------------------------------------------------------------------------------------------


def check_answer(path: str, answer) -> None:
    assert answer.status_code < 500, (path, answer.status_code)
    assert not [name for name in answer.headers if MARK in name.lower()], path
    assert not any("\n" in value or "\r" in value for value in answer.headers.values()), path
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    kind = answer.headers.get("Content-Type", "").partition(";")[0]
    if kind == "text/html":
        assert executed(content.decode()) == [], path
    elif kind == "application/json" or kind.endswith("+json"):
        json.loads(content)
        assert answer["X-Content-Type-Options"] == "nosniff"
    elif kind == "text/csv":
        check_csv(content.decode("utf-8-sig"))
    elif "spreadsheet" in kind:
        check_xlsx(content)


def check_csv(text: str) -> None:
    """As spreadsheets read it: by commas, and where a semicolon separates."""
    for row in csv.reader(io.StringIO(text, newline="")):
        assert not [cell for cell in row if is_formula(cell)], row
    for row in csv.reader(io.StringIO(text, newline=""), delimiter=";"):
        assert not [cell for cell in row[1:] if is_formula(cell)], row


def is_formula(cell: str) -> bool:
    is_number = cell.replace(".", "", 1).removeprefix("-").isdigit()
    return cell.lstrip(" ").startswith(FORMULA_SIGNS) and not is_number


def check_xlsx(content: bytes) -> None:
    book = openpyxl.load_workbook(io.BytesIO(content))
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert not [cell.value for cell in cells if cell.data_type == "f" or cell.hyperlink]


def check_mail(message) -> None:
    """One recipient, no header that is not ours, and no markup but ours in its text."""
    sent = email.message_from_bytes(message.message().as_bytes(), policy=policy.default)
    names = {name.lower() for name in sent}
    assert names <= PLAIN_HEADERS, names - PLAIN_HEADERS
    assert len(sent["To"].addresses) == len(sent["From"].addresses) == 1
    for part in sent.walk():
        assert not [name for name in part if MARK in name.lower()]
        if part.get_content_type() == "text/html":
            assert executed(part.get_content()) == []
        if part.get_content_type() == "text/calendar":
            check_calendar(part.get_content())


def check_calendar(text: str) -> None:
    lines = text.replace("\r\n ", "").replace("\n ", "").split("\n")
    lines = [line.strip("\r") for line in lines]
    assert lines.count("BEGIN:VEVENT") == 1
    assert not [line for line in lines if line.lower().startswith(MARK)]


def addresses_of(season: Season) -> list[str]:
    """Each address of the map that can be looked at, with rows that are there and all steps; lists also as searched."""
    found = set()
    for route in every_route():
        if "GET" in route.methods and "logout" not in route.template:
            for name in steps_of(route.template) if "{name}" in route.template else [""]:
                found.add(route.path({**season.values(route.template), "name": name}))
    return sorted(found)


@pytest.fixture
def hostile(season):
    """A season in which every text is this one, and somebody who looks at all of it."""

    def make(text: str) -> tuple[Season, Caller]:
        caller = Caller("superadmin")
        assert plant(text) > 40
        config.site_name = text[:100]
        return season, caller

    return make


# --- Followed ---------------------------------------------------------------------------------------------------------


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", KINDS[: length(len(FIRST), len(KINDS))])
def test_text_is_text_wherever_it_is_shown(hostile, name):
    season, caller = hostile(TEXTS[name])

    assert look_everywhere(season, caller) > 120


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", list(MAILBOXES)[: length(2, len(MAILBOXES))])
def test_address_is_text_wherever_it_is_shown(season, name):
    plant_address(MAILBOXES[name])

    assert look_everywhere(season, Caller("superadmin")) > 120


def look_everywhere(season: Season, caller: Caller) -> int:
    """Returns how many addresses were looked at."""
    paths = addresses_of(season)
    for path in paths:
        with undone():
            check_answer(path, caller.ask("GET", path))
    return len(paths)


@pytest.mark.parametrize("name", TEXTS)
def test_text_is_text_in_every_mail(hostile, name):
    hostile(TEXTS[name])

    seen = check_mails()

    assert {"ticket", "staff_alert", "staff_invite", "test", "event_off"} <= seen
    assert len(seen) > len(RENDERERS) // 2


@pytest.mark.parametrize("name", MAILBOXES)
def test_address_is_one_recipient_in_every_mail(season, name):
    plant_address(MAILBOXES[name])

    assert len(check_mails()) > len(RENDERERS) // 2


def check_mails() -> set[str]:
    """Returns the kinds that there were."""
    seen = set()
    for row in OutboxEmail.objects.all():
        row.subject = outbox.one_line(row.subject)  # as it is stored
        try:
            with undone():
                check_mail(compose(row))
            seen.add(row.email_type)
        except NotWanted:
            continue
    return seen


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_text_is_text_in_every_file(hostile, name, kind):
    season, caller = hostile(TEXTS[name])
    header, rows = (
        ["Guest", TEXTS[name]],
        [[TEXTS[name], f" {TEXTS[name]}"], [f"\t{TEXTS[name]}", season.order.buyer_name]],
    )

    check_answer(kind, exports.FORMATS[kind](TEXTS[name], header, rows))
    check_answer(kind, caller.ask("GET", f"/admin/door/{season.event.pk}/{kind}/"))


# --- Taken in --------------------------------------------------------------------------------------------------------


ORDER_TEXTS = ("buyerName", "buyerPhone", "buyerCountry", "buyerNationality", "paymentMethod", "referralSource")


@pytest.mark.parametrize("field", ORDER_TEXTS)
@pytest.mark.parametrize("name", TEXTS)
def test_what_a_guest_types_is_kept_to_the_letter_or_refused(api, db, field, name):
    tier, text = make_tier(make_event()), TEXTS[name][:50]
    body = {"eventId": str(tier.event_id), "tierId": str(tier.pk), "buyerName": "A", "buyerEmail": "a@example.com"}

    answer = api.post("/api/orders", {**body, field: text})

    assert answer.status_code in (201, 400)
    if answer.status_code == 201 and field in answer.json()["order"]:
        assert answer.json()["order"][field] == text.strip()


@pytest.mark.parametrize("name", MAILBOXES)
def test_address_of_a_guest_is_kept_to_the_letter_and_harmless_in_files(api, db, name):
    tier = make_tier(make_event())
    body = {"eventId": str(tier.event_id), "tierId": str(tier.pk), "buyerName": "A", "buyerEmail": MAILBOXES[name]}

    answer = api.post("/api/orders", body)

    assert (answer.status_code, answer.json()["order"]["buyerEmail"]) == (201, MAILBOXES[name])
    for kind in exports.FORMATS:
        check_answer(kind, exports.FORMATS[kind]("x", ["Guest"], [[MAILBOXES[name]]]))


@pytest.mark.parametrize("field", ["image", "paymentLink", "coverUrl", "url", "thumbnail"])
@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "JaVaScRiPt:x", "data:text/html,x", "vbscript:x", "//x", "/x", "https://a b", "x\ny"],
)
def test_address_that_a_browser_would_run_is_refused(api, db, field, address):
    office = bearer(make_user("admin"))
    night = {"name": "A", "location": "B", "date": "2027-02-14"}
    bodies = {
        "image": ("/api/admin/events", {**night, "image": address}),
        "paymentLink": ("/api/admin/events", {**night, "tiers": [{"name": "C", "price": 1, "paymentLink": address}]}),
        "coverUrl": ("/api/admin/gallery", {"title": "A", "coverUrl": address}),
        "url": ("/api/admin/gallery", {"title": "A", "images": [{"url": address}]}),
        "thumbnail": ("/api/admin/gallery", {"title": "A", "images": [{"url": "https://a.b/c", "thumbnail": address}]}),
    }
    path, body = bodies[field]

    answer = api.post(path, body, headers=office)

    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")


# --- Controls ----------------------------------------------------------------------------------------------------


def test_control_page_that_does_not_escape_is_found(hostile, monkeypatch):
    season, caller = hostile(TEXTS["HTML"])
    monkeypatch.setattr(engines["django"].engine, "autoescape", False)

    with pytest.raises(AssertionError, match="element"):
        check_answer("order", caller.ask("GET", f"/orders/{season.values('/orders/{token}/')['token']}/"))


def test_control_mail_that_does_not_escape_is_found(hostile, monkeypatch):
    hostile(TEXTS["HTML"])
    monkeypatch.setattr(engines["django"].engine, "autoescape", False)

    with pytest.raises(AssertionError, match="element"):
        check_mail(compose(OutboxEmail.objects.get(email_type="ticket")))


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_control_file_with_a_formula_is_found(hostile, monkeypatch, kind):
    hostile(TEXTS["a formula"])
    monkeypatch.setattr(exports, "safe_text", lambda text: text)
    monkeypatch.setattr(exports.Worksheet, "write_string", exports.Worksheet.write)

    with pytest.raises(AssertionError, match="HYPERLINK"):
        check_answer(kind, exports.FORMATS[kind]("x", ["A"], [[TEXTS["a formula"]]]))


def test_control_calendar_that_takes_lines_is_found(hostile, monkeypatch):
    season, _ = hostile(TEXTS["an entry of a calendar"])
    season.order.refresh_from_db()
    forged = order_mails.calendar_of(season.order).decode().replace("\\n", "\r\n")

    with pytest.raises(AssertionError):
        check_calendar(forged)
