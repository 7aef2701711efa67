"""docs/api.md: its commands are pasted into one shell beside a real server, and its answers look like real ones."""

import json
import os
import re
import subprocess
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

from events.models import Event
from gallery.models import Gallery, GalleryImage
from homeproductions import api, errors
from tests.factories import make_event, make_tier
from tests.processes import ROOT, web_server

TEXT = (ROOT / "docs" / "api.md").read_text()
BLOCKS = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DEMO = "http://127.0.0.1:8080"
MARK = "--- next block ---"
PUBLIC = ("/api/events", "/api/orders", "/api/gallery", "/api/newsletter")
CODE = re.compile(r"`([A-Z]+_[A-Z_]+)`")
# Made where they are raised, without a class of their own.
CODES_WITHOUT_A_CLASS = {"UNSUPPORTED_MEDIA_TYPE", "SERVER_ERROR"}


def examples() -> list[tuple[str, str, str]]:
    """Each command block that talks to a server, with the kind and the text of the answer below it, if there is one."""
    blocks = BLOCKS.findall(TEXT)
    following = [*blocks[1:], ("console", "")]
    return [
        (text, kind if kind != "console" else "", answer)
        for (language, text), (kind, answer) in zip(blocks, following, strict=True)
        if language == "console" and "make demo" not in text
    ]


def shape(value: Any) -> Any:
    """Keys and kinds of values. Of a list the first counts, and null may stand for anything."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value[:1]]
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def differences(told: Any, real: Any, path: str = "") -> list[str]:
    if isinstance(told, dict) and isinstance(real, dict):
        odd = [f"{path}.{key}" for key in told.keys() ^ real.keys()]
        return odd + [line for key in told.keys() & real.keys() for line in differences(told[key], real[key], key)]
    if isinstance(told, list) and isinstance(real, list) and told and real:
        return differences(told[0], real[0], path)
    return [] if "NoneType" in (told, real) or told == real else [f"{path}: {told} is really {real}"]


@pytest.fixture
def season(transactional_db: None) -> Event:
    """What the examples ask for."""
    event = make_event(slug="patio-abierto", venue="Casa de las Sirenas", image_url="https://images.example/patio.jpg")
    make_tier(event, quantity=100)
    album = Gallery.objects.create(title="Opening night", is_published=True)
    GalleryImage.objects.create(gallery=album, image_url="https://images.example/1.jpg")
    return event


def outputs(address: str) -> list[str]:
    """What each of the blocks prints when they are pasted one after the other."""
    script = f"\necho; echo '{MARK}'\n".join(text for text, _, _ in examples())
    done = subprocess.run(
        ["bash", "-eu", "-c", script.replace(DEMO, address)],
        cwd=ROOT,
        env={**os.environ, "no_proxy": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [part.strip() for part in done.stdout.split(MARK)]


def test_examples_are_what_the_server_says(season):
    with web_server(workers=1) as address:
        real = outputs(address)

    assert len(real) == len(examples()) > 8
    for (command, kind, told), said in zip(examples(), real, strict=True):
        if kind == "json":
            assert (command, differences(shape(json.loads(told)), shape(json.loads(said)))) == (command, [])
            assert json.loads(told).get("code") == json.loads(said).get("code")
        elif kind == "text":
            assert (command, said) == (command, told.strip())
        else:
            assert said == ""


def test_comparison_sees_what_differs():
    told = {"a": [{"b": 1, "c": None}], "d": "x"}

    assert differences(shape(told), shape({"a": [{"b": 2.5, "c": "x"}, {}], "d": ""})) == []
    assert differences(shape(told), shape({"a": [{"b": "1", "c": 1}], "d": "x"})) == ["b: number is really str"]
    assert differences(shape(told), shape({"a": [{"b": 1}], "e": "x"})) != []


def test_every_code_that_a_shop_meets_is_told_and_no_other():
    told = set(CODE.findall(TEXT)) - set(re.findall(r"`(RATE_LIMIT_[A-Z_]+|CORS_ORIGIN)`", TEXT))
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    said = {
        code
        for path, operations in paths.items()
        if path.startswith(PUBLIC)
        for operation in operations.values()
        for answer in operation["responses"].values()
        for code in re.findall(r"\b[A-Z]+_[A-Z_]+\b", answer["description"])
    }

    assert {"SOLD_OUT", "RATE_LIMITED"} < said
    assert said - told == set()
    assert told - codes() == set()


def codes() -> set[str]:
    """Every code that some refusal has."""
    assert api.server_error().status_code == 500
    waiting, known = [errors.Refused], set(CODES_WITHOUT_A_CLASS)
    while waiting:
        refusal = waiting.pop()
        known.add(refusal.code)
        waiting += refusal.__subclasses__()
    return known


def test_limits_are_the_ones_that_are_shipped():
    told = re.findall(r"\| `(RATE_LIMIT_\w+)` \| `([^`]+)` \|", TEXT)
    shipped = dict(re.findall(r"^(RATE_LIMIT_\w+)=(.+)$", (ROOT / ".env.example").read_text(), re.MULTILINE))

    assert len(told) == 4
    assert {name: shipped[name] for name, _ in told} == dict(told)
