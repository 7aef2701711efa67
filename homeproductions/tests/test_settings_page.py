"""The settings page in the office."""

import pytest
from constance import config

from audit.models import AuditLog
from tests.factories import make_user

PAGE = "/admin/constance/config/"


@pytest.fixture
def boss(client, db):
    user = make_user("superadmin")
    client.force_login(user)
    return user


def save(client, **changes):
    form = client.get(PAGE).context["form"]
    values = {name: value for name, value in form.initial.items() if value is not False}
    return client.post(PAGE, {**values, **changes})


def test_change_is_saved_with_its_history(client, boss):
    response = save(client, site_name="Casa", order_hold_minutes="0")

    assert (response.status_code, config.site_name, config.order_hold_minutes) == (302, "Casa", 0)
    row = AuditLog.objects.get(entity_type="settings")
    assert (row.user, row.old_value, row.new_value) == (
        boss,
        {"site_name": "Home Productions", "order_hold_minutes": 60},
        {"site_name": "Casa", "order_hold_minutes": 0},
    )


def test_what_stays_as_it_was_has_no_history(client, boss):
    assert save(client).status_code == 302
    assert AuditLog.objects.filter(entity_type="settings").count() == 0


@pytest.mark.parametrize(
    "change",
    [
        {"order_hold_minutes": "-1"},
        {"order_hold_minutes": "1.5"},
        {"order_hold_minutes": "9999999"},
        {"contact_email": "nobody"},
        {"contact_email": ""},
        {"staff_alert_email": "a@b@c"},
        {"site_name": ""},
        {"site_name": "x" * 101},
    ],
)
def test_what_cannot_be_meant_is_refused_as_a_whole(client, boss, change):
    response = save(client, **{"site_name": "Casa", **change})

    assert (response.status_code, "errorlist" in response.content.decode()) == (422, True)
    assert (config.site_name, AuditLog.objects.filter(entity_type="settings").count()) == ("Home Productions", 0)


def test_alerts_may_go_to_the_contact_address(client, boss):
    save(client, staff_alert_email="money@example.com")

    assert save(client, staff_alert_email="").status_code == 302
    assert config.staff_alert_email == ""


def test_page_that_was_open_too_long_overwrites_nothing(client, boss):
    old = client.get(PAGE).context["form"].initial
    save(client, site_name="Casa")

    response = client.post(PAGE, {**old, "site_name": "Club"})

    assert (response.status_code, config.site_name) == (422, "Casa")
    assert "modified by someone else" in response.content.decode()


def test_settings_are_for_superadmins(client, db):
    for role, statuses in (("staff", (403, 403, 403)), ("admin", (403, 403, 403)), ("superadmin", (200, 422, 302))):
        client.force_login(make_user(role))
        answers = (client.get(PAGE), client.post(PAGE, {"site_name": "Mine"}), client.get(f"{PAGE}history/"))
        assert tuple(answer.status_code for answer in answers) == statuses
    assert config.site_name == "Home Productions"


def test_navigation_says_settings(client, boss):
    assert f'<a href="{PAGE}" aria-current="page">Settings</a>' in client.get(PAGE).content.decode()
