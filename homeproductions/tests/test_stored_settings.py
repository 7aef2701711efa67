"""Settings that nobody has changed have their default, and are not stored by being looked at."""

from constance import config
from constance.models import Constance


def test_looking_stores_nothing(db):
    Constance.objects.all().delete()

    assert (config.order_hold_minutes, config.staff_alert_email) == (60, "")
    assert not Constance.objects.exists()


def test_what_was_changed_is_kept(db):
    config.order_hold_minutes = 0

    assert config.order_hold_minutes == 0
    assert Constance.objects.filter(key="order_hold_minutes").exists()
