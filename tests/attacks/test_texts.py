"""Hostile texts in every column of every table that may hold somebody's text, followed to wherever they are shown:
pages, the API, files, mails, calendars. Nowhere are they markup, a header of their own, or a formula."""

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

from .harmless import MARK, check_answer, check_calendar, check_mail, executed
from .routes import Caller, every_route, undone
from .season import Season, plant, plant_address, steps_of

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


@pytest.mark.parametrize(
    "address", ["javascript:a", " JavaScript:a", "java\nscript:a", "data:text/html,", "vbscript:a"]
)
def test_control_link_that_a_browser_would_run_is_found(address):
    assert len(executed(f'<a href="/fine">a</a><a href="{address}">b</a><form action="{address}"></form>')) == 2


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
