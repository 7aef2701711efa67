"""What people see when something is refused outside the screens that say so themselves: a page, never raw JSON."""

import pytest
from django.test import Client

from tests.factories import make_event, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def door(client):
    client.force_login(make_user("staff"))
    client.raise_request_exception = False
    return client


def heading_and_way(response):
    text = response.content.decode()
    assert response["Content-Type"].startswith("text/html")
    assert not [word for word in (" style=", "<style", "<script") if word in text]
    return text.partition("<h1>")[2].partition("</h1>")[0], 'href="/admin/"' in text


@pytest.mark.parametrize("path", ["/admin/accounts/user/", "/admin/money/", "/admin/exports/"])
def test_page_that_a_role_may_not_see_says_so_with_a_way_back(door, path):
    response = door.get(path)

    assert response.status_code == 403
    assert heading_and_way(response) == ("Your role does not allow this", True)


def test_page_that_does_not_exist_says_so_with_a_way_back(door):
    response = door.get("/admin/door/00000000-0000-4000-8000-000000000000/")

    assert response.status_code == 404
    assert heading_and_way(response) == ("There is nothing here", True)


@pytest.mark.parametrize("path", ["/orders/a/b/c/", "/newsletter/", "/nothing"])
def test_guest_who_mistypes_an_address_finds_a_page(client, path):
    response = client.get(path, headers={"Accept": "text/html,*/*"})

    assert response.status_code == 404
    assert heading_and_way(response) == ("There is nothing here", False)


def test_program_that_mistypes_an_address_finds_json(client):
    assert client.get("/nothing").json()["code"] == "NOT_FOUND"
    assert client.get("/api/nothing", headers={"Accept": "text/html"}).json()["code"] == "NOT_FOUND"


@pytest.mark.parametrize("path", ["/api", "/api/events", "/metrics", "/metrics/"])
def test_program_at_a_wrong_host_finds_json_whatever_it_accepts(client, path):
    response = client.get(path, headers={"Host": "evil.example", "Accept": "text/html"})

    assert (response.status_code, response["Content-Type"]) == (400, "application/json")
    assert response.json()["code"] == "VALIDATION_ERROR"


@pytest.mark.parametrize("path", ["/", "/metrics/more", "/apiary", "/admin/"])
def test_person_at_a_wrong_host_finds_a_page(client, path):
    response = client.get(path, headers={"Host": "evil.example", "Accept": "text/html"})

    assert response.status_code == 400
    assert heading_and_way(response) == ("That did not work", path == "/admin/")


@pytest.mark.parametrize("form", [{"order": "HP\x00"}, {"order": "HP1", "nonce": "\x00"}])
def test_nul_in_a_form_is_refused(door, form):
    response = door.post(f"/admin/door/{make_event().pk}/", {"people": "1", **form})

    assert response.status_code == 400
    assert heading_and_way(response) == ("That did not work", True)


def test_nul_in_an_address_is_refused_on_a_page(door):
    assert heading_and_way(door.get("/admin/door/?q=%00")) == ("That did not work", True)


def test_old_form_is_told_to_be_opened_again():
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("superadmin"))
    page = "http://testserver/admin/orders/order/do/sell/"

    response = client.post("/admin/orders/order/do/sell/", {}, headers={"Referer": page})

    assert response.status_code == 403
    assert heading_and_way(response) == ("This page is not up to date", False)
    assert f'href="{page}"' in response.content.decode()


def test_old_form_of_nobody_knows_where_leads_to_the_office():
    client = Client(enforce_csrf_checks=True)

    response = client.post("/admin/login/", {}, headers={"Referer": "https://evil.example/"})

    assert heading_and_way(response) == ("This page is not up to date", True)
