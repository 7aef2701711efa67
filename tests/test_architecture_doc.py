"""docs/architecture.md and docs/decisions name only what there is, and draw the layers that are held."""

import re
import tomllib
from importlib import import_module
from typing import Any
from xml.etree import ElementTree

import pytest
from django.apps import apps

from homeproductions import settings  # as shipped; the tests remember nothing
from homeproductions.mail.delivery import RETRY_DELAYS
from homeproductions.mail.turns import LEASE
from orders.api import stats
from orders.services import idempotency
from tests.processes import ROOT

TEXT = (ROOT / "docs" / "architecture.md").read_text()
DECISIONS = "\n".join(path.read_text() for path in sorted((ROOT / "docs" / "decisions").glob("*.md")))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = PROJECT["tool"]["importlinter"]["root_packages"]
NAMED = re.compile(r"`([^`\n]+)`")
DOTTED = re.compile(rf"(?:{'|'.join(PACKAGES)})(?:\.\w+)+")
PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)+/?")


def things() -> set[str]:
    """Every constraint and trigger of the database, by its name."""
    found = set()
    for model in apps.get_models():
        found |= {each.name for each in model._meta.constraints}
        found |= {each.name for each in getattr(model._meta, "triggers", [])}
    return found


def is_there(name: str) -> bool:
    """Whether a dotted name leads to a module, or to something in one."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: Any = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


@pytest.mark.parametrize("text", [TEXT, DECISIONS], ids=["architecture", "decisions"])
def test_modules_and_functions_that_are_named_exist(text):
    names = [name for name in NAMED.findall(text) if DOTTED.fullmatch(name)]

    assert len(names) >= 10
    assert [name for name in names if not is_there(name)] == []


def test_what_does_not_exist_is_seen():
    assert is_there("orders.services.checkin.check_in")
    assert not is_there("orders.services.checkin.check_out")
    assert not is_there("orders.services.nothing")


def test_files_that_are_named_exist():
    paths = [name for name in NAMED.findall(TEXT + DECISIONS) if PATH.fullmatch(name) and "." in name]

    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_promises_are_held_by_what_the_database_has():
    section = TEXT.partition("## What must always hold")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", section)) - {"night_version", "reserve_paid"}

    assert len(named) > 12
    assert named - things() == set()


def test_layers_are_drawn_as_they_are_held():
    house = PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
    held = [set(re.findall(r"[\w.]+", layer)) for layer in house]
    drawn = [row.partition("#")[0] for row in re.search(r"```text\n(.+?)```", TEXT, re.DOTALL)[1].splitlines()]

    assert len(drawn) == len(held)
    for row, layer in zip(drawn, held, strict=True):
        assert expanded(row) <= layer
        assert "…" in row or expanded(row) == layer


def expanded(row: str) -> set[str]:
    """`a.{b,c}` is a.b and a.c."""
    prefix, braces, rest = row.strip().partition("{")
    return {prefix + name for name in rest.rstrip("}").split(",") if name != "…"} if braces else set(row.split())


def test_drawing_is_a_picture():
    picture = ElementTree.parse(ROOT / "docs" / "house.svg")  # noqa: S314 (our own file)
    assert picture.getroot().tag.endswith("svg")


def test_times_are_those_of_the_code():
    assert "(`homeproductions.public_answers`) | 1 second |" in TEXT
    assert settings.MEMORY_SECONDS == 1
    assert stats._answers._times * settings.MEMORY_SECONDS == 5
    assert f"| a mail's lease | its row | {LEASE.seconds} seconds |" in TEXT
    minutes = [delay.seconds // 60 for delay in RETRY_DELAYS]
    assert f"tries after {', '.join(map(str, minutes[:-1]))} and {minutes[-1]} minutes" in TEXT
    assert idempotency.KEPT.total_seconds() / 3600 == 24
