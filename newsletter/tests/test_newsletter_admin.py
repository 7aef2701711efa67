"""The office's screens: who is on the list, and the ways in and out that the office has."""

import json
from datetime import timedelta

import pytest
from constance import config
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import AuditLog
from homeproductions.mail.models import OutboxEmail
from newsletter import services
from newsletter.admin import in_words
from newsletter.models import Subscriber
from tests.factories import make_user

from .conftest import EMAIL, STATES, make_subscriber

LIST = "/admin/newsletter/subscriber/"
IMPORT = LIST + "import/"
pytestmark = pytest.mark.django_db


@pytest.fixture
def user():
    return make_user("admin")


@pytest.fixture
def office(client, user):
    client.force_login(user)
    return client


def upload(client, content):
    file = SimpleUploadedFile("list.csv", content.encode() if isinstance(content, str) else content)
    return client.post(IMPORT, {"file": file})


def confirm(client, *addresses, consent="on"):
    return client.post(IMPORT, {"addresses": " ".join(addresses), "consent": consent})


def states():
    return {subscriber.email: subscriber.state for subscriber in Subscriber.objects.all()}


# --- The list -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
def test_the_list_is_filtered_by_state(office, state):
    for each in STATES:
        make_subscriber(each, f"{each}@example.com")

    page = office.get(LIST, {"state": state}).content.decode()

    assert [each for each in STATES if f"{each}@example.com" in page] == [state]


def test_the_list_is_searched(office):
    make_subscriber(email="ana@example.com")
    make_subscriber(email="luis@example.com")

    page = office.get(LIST, {"q": "luis"}).content.decode()

    assert ("luis@example.com" in page, "ana@example.com" in page) == (True, False)


def test_an_unknown_state_filters_nothing(office):
    make_subscriber()

    assert EMAIL in office.get(LIST, {"state": "gone"}).content.decode()


def test_the_list_asks_as_often_for_many_as_for_one(office):
    def queries():
        with CaptureQueriesContext(connection) as found:
            office.get(LIST)
        return len(found)

    make_subscriber()
    for_one = queries()
    for number in range(5):
        make_subscriber("left", f"guest{number}@example.com")

    assert queries() == for_one < 15


def test_the_export_of_the_list_keeps_its_filter(office):
    assert (
        "/admin/exports/?what=newsletter&amp;state=left#newsletter"
        in office.get(LIST, {"state": "left"}).content.decode()
    )


def test_consent_is_as_old_as_what_holds_now(settings):
    config.email_require_confirmation = False
    old = timezone.now() - timedelta(days=300)
    Subscriber.objects.create(
        email=EMAIL, is_active=False, subscribed_at=old, confirmed_at=old, unsubscribed_at=timezone.now()
    )

    services.subscribe(email=EMAIL)

    subscriber = Subscriber.objects.get()
    assert subscriber.consent_at == subscriber.subscribed_at > old
    assert make_subscriber("waiting", "w@example.com").consent_at is None
    assert make_subscriber("left", "l@example.com").consent_at is None


# --- Unsubscribing somebody -----------------------------------------------------------------------------------


def test_the_office_unsubscribes_somebody_who_told_it_so(office, user):
    subscriber = make_subscriber()

    response = office.post(f"{LIST}{subscriber.pk}/do/unsubscribe/")

    assert response.status_code == 302
    assert states() == {EMAIL: "left"}
    entry = AuditLog.objects.get(action="NEWSLETTER_UNSUBSCRIBE")
    assert (entry.user, entry.entity_id) == (user, subscriber.pk)
    assert (entry.old_value, entry.new_value) == ({"is_active": True}, {"is_active": False})


def test_looking_at_the_step_changes_nothing(office):
    subscriber = make_subscriber()

    assert office.get(f"{LIST}{subscriber.pk}/do/unsubscribe/").status_code == 200
    assert states() == {EMAIL: "active"}


def test_who_has_left_is_not_offered_to_leave(office):
    subscriber = make_subscriber("left")

    assert "do/unsubscribe" not in office.get(f"{LIST}{subscriber.pk}/change/").content.decode()
    assert services.unsubscribe_for(subscriber.pk, actor=make_user("admin")) is False
    assert not AuditLog.objects.filter(action="NEWSLETTER_UNSUBSCRIBE").exists()


# --- Import: the preview --------------------------------------------------------------------------------------


def preview(client, content):
    """How many of each kind the preview shows."""
    response = upload(client, content)
    assert response.status_code == 200, response.context["form"].errors
    found = response.context["preview"]
    return {kind: len(lines) for kind, lines in vars(found).items() if lines}


def test_a_preview_says_what_would_happen_and_changes_nothing(office):
    for state in STATES:
        make_subscriber(state, f"{state}@example.com")
    before = states()

    response = upload(
        office,
        "Name,E-mail\nA,new@example.com\nB,ACTIVE@example.com\nC,waiting@example.com\nD,left@example.com\nE,nobody\n",
    )

    found = response.context["preview"]
    assert (found.new, found.active) == (["new@example.com"], ["active@example.com"])
    assert (found.waiting, found.left) == (["waiting@example.com"], ["left@example.com"])
    assert [(wrong.line, wrong.text, wrong.reason) for wrong in found.wrong] == [(6, "nobody", "not an e-mail address")]
    assert states() == before
    page = response.content.decode()
    assert all(word in page for word in ("Will be added (1)", "Left earlier, not brought back (1)", "line 6: nobody"))


@pytest.mark.parametrize(
    "content",
    [
        "new@example.com",
        "new@example.com\r\n",
        "email\nnew@example.com",
        "E-mail\nNEW@example.com \n\n",
        "Nombre;Correo electrónico\nLucía;new@example.com",
        "Nombre;Correo electrónico\nLucía;new@example.com".encode("cp1252"),
        "\ufeffemail,name\nnew@example.com,Zoë",
        "email\tname\nnew@example.com\tZoë".encode("utf-16"),
        '"Email Address","First, name"\n"new@example.com","Pérez, Ana"',
        "Ana,new@example.com\nAna,new@example.com",
        "email,status\nnew@example.com,subscribed",
    ],
)
def test_lists_of_many_programs_are_understood(office, content):
    assert preview(office, content) == {"new": 1}


def test_addresses_are_taken_from_the_head_of_a_mail(office):
    pasted = b'Ana <ana@example.com>; bea@example.com; "Carla" <carla@example.com>\nDora <dora@example.com>'

    assert preview(office, pasted) == {"new": 4}


def test_import_sent_twice_says_that_nobody_was_added():
    done = services.Imported(added=0, known=2, must_confirm=True)

    assert in_words(done) == "Nobody was added: all of them are known already."


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "submitted file is empty"),
        ("\n \n", "There is nothing in it"),
        ("name,phone\nAna,5555", "no column named"),
        (b"PK\x03\x04rest of a workbook", "Excel file"),
        (b"\x00\x01\x02", "no text that can be read"),
        (b"\x81\x8d\xff", "no text that can be read"),
        ("email\n" + "a" * 1024 * 1024, "larger than one megabyte"),
        ('email\n"' + "a" * 200_000, "not a CSV"),
        ("\n".join(f"guest{number}@example.com" for number in range(services.IMPORT_MAX + 1)), "5001 addresses"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(office, content, reason):
    response = upload(office, content)

    words = " ".join(str(error) for errors in response.context["form"].errors.values() for error in errors)
    assert response.status_code == 422
    assert reason in words


def test_addresses_may_be_pasted_instead_but_not_both(office):
    pasted = office.post(IMPORT, {"text": "new@example.com\nother@example.com"})
    file = SimpleUploadedFile("list.csv", b"third@example.com")
    both = office.post(IMPORT, {"text": "new@example.com", "file": file})

    assert pasted.context["preview"].new == ["new@example.com", "other@example.com"]
    assert (both.status_code, office.post(IMPORT, {}).status_code) == (422, 422)


def test_who_has_left_elsewhere_is_left_out(office):
    content = "email,status\nactive@example.com,active\nleft@example.com,unsubscribed\nleft@example.com,active\n"

    response = upload(office, content)

    assert response.context["preview"].new == ["active@example.com"]
    assert [wrong.reason for wrong in response.context["preview"].wrong] == ["the list says “unsubscribed”"]


def test_our_own_export_comes_back_as_known(office):
    for state in STATES:
        make_subscriber(state, f"{state}@example.com")
    make_subscriber("active", "+plus@example.com")  # the file has an apostrophe before it
    response = office.post("/admin/exports/", {"what": "newsletter", "format": "csv"})
    content = b"".join(response.streaming_content)

    assert preview(office, content) == {"active": 2, "wrong": 2}
    Subscriber.objects.filter(email="+plus@example.com").delete()
    assert preview(office, content) == {"new": 1, "active": 1, "wrong": 2}


@pytest.mark.parametrize("must_confirm", [True, False])
def test_the_page_says_which_way_of_consent_applies(office, must_confirm):
    config.email_require_confirmation = must_confirm
    said = "is on, and it applies here too" if must_confirm else "is off, and that applies here too"

    assert said in office.get(IMPORT).content.decode()
    assert said in upload(office, "new@example.com").content.decode()


def test_a_long_preview_shows_a_part_and_says_so(office):
    page = upload(office, "\n".join(f"guest{number}@example.com" for number in range(150))).content.decode()

    assert page.count("<li>guest") == 100
    assert "and 50 more" in page


def test_markup_in_a_list_stays_text(office):
    page = upload(office, "email\n<script>alert(1)</script>").content.decode()

    assert "<script>alert" not in page


# --- Import: the act ------------------------------------------------------------------------------------------


def test_with_confirmation_imported_people_get_a_link(office, arriving):
    config.email_require_confirmation = True

    response = confirm(office, "new@example.com", "other@example.com")

    assert response.url == LIST
    assert states() == {"new@example.com": "waiting", "other@example.com": "waiting"}
    [mail] = arriving()
    assert mail.subject == "Please confirm your subscription"
    first, second = OutboxEmail.objects.order_by("next_attempt_at")
    assert (first.status, second.status) == ("sent", "pending")  # one every two seconds, so that tickets get through
    assert second.next_attempt_at > timezone.now()


def test_without_confirmation_they_are_on_the_list_at_once(office):
    config.email_require_confirmation = False

    confirm(office, "New@example.com")

    assert states() == {"new@example.com": "active"}
    assert Subscriber.objects.get().source == "import"
    assert not OutboxEmail.objects.exists()


@pytest.mark.parametrize("must_confirm", [True, False])
@pytest.mark.parametrize("state", STATES)
def test_whom_we_know_stays_as_they_are(office, state, must_confirm):
    config.email_require_confirmation = must_confirm
    before = Subscriber.objects.values().get(pk=make_subscriber(state).pk)

    confirm(office, EMAIL)

    assert Subscriber.objects.values().get() == before
    assert not OutboxEmail.objects.exists()
    assert not AuditLog.objects.filter(action="NEWSLETTER_IMPORT").exists()


def test_who_brought_whom_is_in_the_audit_without_addresses(office, user):
    config.email_require_confirmation = False

    confirm(office, "new@example.com", "other@example.com")

    entries = AuditLog.objects.filter(action="NEWSLETTER_IMPORT")
    assert {entry.entity_id for entry in entries} == set(Subscriber.objects.values_list("pk", flat=True))
    assert {(entry.user, entry.ip_address) for entry in entries} == {(user, "127.0.0.1")}
    assert [entry.new_value for entry in entries] == [{"is_active": True, "source": "import"}] * 2
    assert "@" not in json.dumps(list(AuditLog.objects.values_list("old_value", "new_value")))


def test_nobody_is_added_without_a_word_about_their_consent(office):
    response = confirm(office, "new@example.com", consent="")

    assert (response.status_code, states()) == (422, {})
    assert response.context["preview"].new == ["new@example.com"]  # nothing has to be chosen again


@pytest.mark.parametrize("addresses", [["nobody"], ["new@example.com", "a@b"], ["x" * 300 + "@example.com"]])
def test_a_changed_form_adds_nobody(office, addresses):
    assert confirm(office, *addresses).status_code == 422
    assert states() == {}


def test_an_import_is_few_statements_however_long_the_list(office):
    config.email_require_confirmation = True

    def queries(*addresses):
        with CaptureQueriesContext(connection) as found:
            confirm(office, *addresses)
        return len(found)

    for_one = queries("new@example.com")

    assert queries(*(f"guest{number}@example.com" for number in range(300))) == for_one
    assert Subscriber.objects.count() == 301


# --- Who may ----------------------------------------------------------------------------------------------------


def test_door_staff_see_nothing_of_the_newsletter(client):
    client.force_login(make_user("staff"))
    subscriber = make_subscriber()
    paths = (LIST, IMPORT, f"{LIST}{subscriber.pk}/change/", f"{LIST}{subscriber.pk}/do/unsubscribe/")

    assert {client.get(path).status_code for path in paths} == {403}
    assert (confirm(client, "new@example.com").status_code, upload(client, "new@example.com").status_code) == (403, 403)
    assert client.post(paths[-1]).status_code == 403
    assert states() == {EMAIL: "active"}


@pytest.mark.parametrize("role", ["admin", "superadmin"])
def test_nobody_edits_consent_by_hand(client, role):
    client.force_login(make_user(role))
    subscriber = make_subscriber("left")

    client.post(f"{LIST}{subscriber.pk}/change/", {"email": EMAIL, "is_active": "on"})

    assert states() == {EMAIL: "left"}
    assert client.get(f"{LIST}add/").status_code == 403
    assert client.post(f"{LIST}{subscriber.pk}/delete/").status_code == 403
