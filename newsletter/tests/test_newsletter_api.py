"""Joining and leaving over the API: what it answers, and that the answer tells nothing."""

import json
from datetime import timedelta

import pytest
from constance import config
from django.db.models import F

from audit.models import AuditLog
from homeproductions.mail.models import OutboxEmail
from newsletter.models import Subscriber
from newsletter.queries import MAIL_PAUSE, MAILS_PER_DAY

from .conftest import EMAIL, make_subscriber

SUBSCRIBE = "/api/newsletter/subscribe"
UNSUBSCRIBE = "/api/newsletter/unsubscribe"
BOTH = pytest.mark.parametrize("path", [SUBSCRIBE, UNSUBSCRIBE])


def history():
    rows = AuditLog.objects.order_by("created_at").values_list("action", "old_value", "new_value")
    return list(rows)


def pass_time(**time):
    OutboxEmail.objects.update(created_at=F("created_at") - timedelta(**time))


@BOTH
@pytest.mark.parametrize("slash", ["", "/"])
def test_answer_has_the_contracts_keys(api, path, slash):
    response = api.post(path + slash, {"email": EMAIL})

    answer = response.json()
    assert (set(answer), answer["success"], type(answer["message"])) == ({"success", "message"}, True, str)
    assert response.status_code == (201 if path == SUBSCRIBE else 200)


@BOTH
@pytest.mark.parametrize("must_confirm", [True, False])
def test_answer_does_not_tell_who_is_on_the_list(api, path, must_confirm):
    config.email_require_confirmation = must_confirm
    for state in ("waiting", "active", "left"):
        make_subscriber(state, f"{state}@example.com")

    names = ("waiting", "active", "left", "unknown")
    responses = [api.post(path, {"email": f"{name}@example.com"}) for name in names]

    assert len({(response.status_code, response.content) for response in responses}) == 1


def test_new_address_waits_for_its_confirmation(api):
    api.post(SUBSCRIBE, {"email": " Lucia@Example.COM "})

    subscriber, email = Subscriber.objects.get(), OutboxEmail.objects.get()
    assert (subscriber.email, subscriber.is_active, subscriber.confirmed_at) == (EMAIL, False, None)
    assert (email.email_type, email.recipient_email, email.order_id) == ("newsletter_confirmation", EMAIL, None)
    assert history() == [("NEWSLETTER_SUBSCRIBE", None, {"is_active": False})]


def test_outbox_and_audit_hold_the_subscribers_id_only(api):
    api.post(SUBSCRIBE, {"email": EMAIL}, headers={"User-Agent": "Phone"})

    subscriber, row = Subscriber.objects.get(), AuditLog.objects.get()
    assert OutboxEmail.objects.get().context == {"subscriber": str(subscriber.pk)}
    assert (row.entity_type, row.entity_id, row.user_id) == ("subscriber", subscriber.pk, None)
    assert EMAIL not in json.dumps([row.old_value, row.new_value])


def test_without_confirmation_a_new_address_is_on_the_list_at_once(api):
    config.email_require_confirmation = False

    response = api.post(SUBSCRIBE, {"email": EMAIL})

    subscriber = Subscriber.objects.get()
    assert (response.status_code, subscriber.is_active, subscriber.confirmed_at) == (201, True, None)
    assert (history(), OutboxEmail.objects.count()) == ([("NEWSLETTER_SUBSCRIBE", None, {"is_active": True})], 0)


@pytest.mark.parametrize("state", ["waiting", "left"])
def test_without_confirmation_a_known_address_is_on_the_list_again(api, state):
    config.email_require_confirmation = False
    make_subscriber(state)

    api.post(SUBSCRIBE, {"email": EMAIL.upper()})

    subscriber = Subscriber.objects.get()
    assert (subscriber.is_active, subscriber.unsubscribed_at) == (True, None)
    assert history() == [("NEWSLETTER_SUBSCRIBE", {"is_active": False}, {"is_active": True})]


@pytest.mark.parametrize("must_confirm", [True, False])
def test_address_on_the_list_is_left_alone(api, must_confirm):
    config.email_require_confirmation = must_confirm
    make_subscriber("active")

    api.post(SUBSCRIBE, {"email": EMAIL})

    assert (Subscriber.objects.get().is_active, history(), OutboxEmail.objects.count()) == (True, [], 0)


def test_setting_is_read_per_request(api):
    config.email_require_confirmation = False
    api.post(SUBSCRIBE, {"email": "first@example.com"})
    config.email_require_confirmation = True
    api.post(SUBSCRIBE, {"email": "second@example.com"})

    assert list(Subscriber.objects.order_by("email").values_list("is_active", flat=True)) == [True, False]


def test_stranger_cannot_put_somebody_who_left_back_on_the_list(api):
    left = make_subscriber("left")

    api.post(SUBSCRIBE, {"email": EMAIL})

    subscriber = Subscriber.objects.get()
    assert (subscriber.is_active, subscriber.unsubscribed_at) == (False, left.unsubscribed_at)
    assert (history(), OutboxEmail.objects.count()) == ([], 1)


@BOTH
def test_asking_again_sends_another_mail_only_after_a_pause(api, path):
    make_subscriber("waiting" if path == SUBSCRIBE else "active")

    for _ in range(3):
        api.post(path, {"email": EMAIL})
    assert OutboxEmail.objects.count() == 1
    pass_time(seconds=MAIL_PAUSE.total_seconds())
    api.post(path, {"email": EMAIL})

    assert (OutboxEmail.objects.count(), history()) == (2, [])


@BOTH
def test_address_gets_few_mails_a_day_however_often_somebody_asks(api, path):
    make_subscriber("waiting" if path == SUBSCRIBE else "active")

    for _ in range(MAILS_PER_DAY + 3):
        api.post(path, {"email": EMAIL})
        pass_time(hours=1)
    assert OutboxEmail.objects.count() == MAILS_PER_DAY
    pass_time(hours=24)
    api.post(path, {"email": EMAIL})

    assert OutboxEmail.objects.count() == MAILS_PER_DAY + 1


def test_pause_of_one_address_is_not_that_of_another(api):
    api.post(SUBSCRIBE, {"email": EMAIL})
    api.post(SUBSCRIBE, {"email": "other@example.com"})

    assert OutboxEmail.objects.count() == 2


def test_asking_to_unsubscribe_changes_nothing_but_mails_a_link(api):
    make_subscriber("active")

    response = api.post(UNSUBSCRIBE, {"email": " LUCIA@example.com "})

    email = OutboxEmail.objects.get()
    assert (response.status_code, Subscriber.objects.get().is_active, history()) == (200, True, [])
    assert (email.email_type, email.recipient_email) == ("newsletter_unsubscribe", EMAIL)


@pytest.mark.parametrize("state", ["waiting", "left", None])
def test_asking_to_unsubscribe_mails_nobody_who_is_not_on_the_list(api, state):
    if state:
        make_subscriber(state)

    api.post(UNSUBSCRIBE, {"email": EMAIL})

    assert (OutboxEmail.objects.count(), Subscriber.objects.count()) == (0, int(state is not None))


@BOTH
@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "text",
        {"mail": EMAIL},
        *(
            {"email": value}
            for value in [
                None,
                "",
                "   ",
                5,
                True,
                [EMAIL],
                {"$ne": None},
                "no-at.example.com",
                "a@b",
                "a b@example.com",
                "a@example.com\r\nBcc: x@example.com",
                "a\x00@example.com",
                "\ud800@example.com",
                "<a>@example.com",
                "x" * 100_000 + "@example.com",
                # Exactly as long as allowed, and one letter longer once it is in lower case.
                "a@" + "İ.com".rjust(253, "x"),
            ]
        ),
    ],
    ids=lambda body: repr(body)[:40],
)
def test_bad_address_is_refused(api, path, body):
    response = api.post(path, json.dumps(body))

    answer = response.json()
    assert (response.status_code, set(answer)) == (400, {"success", "error", "code"})
    assert (answer["success"], answer["code"]) == (False, "VALIDATION_ERROR")
    assert (Subscriber.objects.count(), OutboxEmail.objects.count(), history()) == (0, 0, [])


@BOTH
@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000])
def test_hostile_body_is_refused(api, path, body):
    response = api.post(path, body, content_type="application/json")

    assert (response.status_code, response.json()["code"]) == (400, "VALIDATION_ERROR")


@BOTH
def test_address_may_come_as_a_form(api, path):
    response = api.post(path, f"email={EMAIL}", content_type="application/x-www-form-urlencoded")

    assert response.json()["success"] is True


@BOTH
def test_other_content_types_and_methods_are_refused(api, path):
    as_text = api.post(path, "email", content_type="text/plain")

    assert (as_text.status_code, as_text.json()["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert (api.get(path).status_code, api.get(path).json()["code"]) == (404, "NOT_FOUND")


def test_address_with_letters_of_the_world_is_accepted(api):
    response = api.post(SUBSCRIBE, {"email": "Lucia@Fiesta-ÑANDÚ.example"})

    assert (response.status_code, Subscriber.objects.get().email) == (201, "lucia@fiesta-ñandú.example")


@BOTH
def test_schema_describes_the_answers(api, path):
    paths = api.get("/api/schema", headers={"Accept": "application/json"}).json()["paths"]

    success = "201" if path == SUBSCRIBE else "200"
    assert {success, "400"} <= set(paths[path]["post"]["responses"])
