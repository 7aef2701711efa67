"""What docs/privacy.md says to type works as it is written there."""

import io
import re
import shlex
from pathlib import Path

import pytest
from django.core.management import call_command

from homeproductions import environment
from orders.models import Order
from tests.factories import make_order

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "privacy.md").read_text()
COMMANDS = re.findall(r"^python manage\.py (.+)$", TEXT, re.MULTILINE)
SETTINGS = re.findall(r"^([A-Z_]+)=(.+)$", TEXT, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_run(db, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: "yes")
    make_order(status="cancelled", buyer_email="ana@example.org")

    call_command(*shlex.split(command), stdout=io.StringIO(), stderr=io.StringIO())

    is_forgotten = command.startswith("forget")
    assert Order.objects.filter(buyer_email="ana@example.org").exists() is not is_forgotten
    assert (tmp_path / "ana.json").exists() is not is_forgotten


def test_both_commands_are_told():
    assert [command.split()[0] for command in COMMANDS] == ["export_person", "forget"]


def test_settings_are_valid():
    assert [name for name, _ in SETTINGS] == ["FORGET_GUESTS_AFTER_DAYS"]
    assert [environment.CHECKS[name](value) for name, value in SETTINGS] == [""]
