"""What pages refer to, collected for a release and served by the real server."""

import json
import re
import shutil
import subprocess
import sys

import pytest
import requests
from django.test import Client

from homeproductions import checks, static_files
from homeproductions.doctor import outside
from tests.processes import ROOT, environment, web_server

pytestmark = pytest.mark.django_db(transaction=True)
LOGIN = "/admin/login/"
REFERENCE = re.compile(r'(?:href|src)="(/static/[^"]+)"')
HASHED = re.compile(r"\.[0-9a-f]{12}\.\w+$")


@pytest.fixture(scope="session")
def collection(tmp_path_factory):
    """As the release step makes it; no test may write there."""
    folder = tmp_path_factory.mktemp("static") / "files"
    # Without any database, as when an image is built.
    nowhere = {"STATIC_ROOT": str(folder), "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    command = [sys.executable, "manage.py", "collectstatic", "--noinput"]
    done = subprocess.run(command, cwd=ROOT, env=environment(**nowhere), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def collected(collection, tmp_path, settings):
    """A copy of its own, which this process serves pages from."""
    folder = tmp_path / "files"
    shutil.copytree(collection, folder)
    settings.STATIC_ROOT = folder  # Django opens its storages anew then
    return folder


def test_pages_refer_to_hashed_names_that_browsers_keep_for_ever(collection):
    with web_server(workers=1, STATIC_ROOT=str(collection)) as address:
        references = set(REFERENCE.findall(requests.get(address + LOGIN, timeout=30).text))
        answers = {path: requests.get(address + path, timeout=30) for path in references}
        plain = requests.get(f"{address}/static/office/office.css", timeout=30)

    assert len(references) > 2
    assert [path for path in references if not HASHED.search(path)] == []
    assert {answer.status_code for answer in answers.values()} == {200}
    assert {answer.headers["Cache-Control"] for answer in answers.values()} == {"max-age=315360000, public, immutable"}
    assert {answer.headers.get("Content-Encoding") for answer in answers.values()} <= {"br", "gzip", None}
    # A page of the release before this one still finds something, but nobody keeps it.
    assert (plain.status_code, plain.headers["Cache-Control"]) == (200, "max-age=60, public")


def test_what_was_never_collected_is_served_under_its_own_name(client, tmp_path):
    with web_server(workers=1, STATIC_ROOT=str(tmp_path / "nothing")) as address:
        references = set(REFERENCE.findall(requests.get(address + LOGIN, timeout=30).text))
        answers = [requests.get(address + path, timeout=30) for path in references]

    assert [path for path in references if HASHED.search(path)] == []
    assert {(answer.status_code, answer.headers["Cache-Control"]) for answer in answers} == {
        (200, "max-age=60, public")
    }


def test_every_page_for_people_finds_its_files(collected):
    for page in (LOGIN, "/api/docs/", "/newsletter/unsubscribed/"):
        for path in REFERENCE.findall(Client().get(page).content.decode()):
            assert (collected / path.removeprefix("/static/")).is_file(), f"{page} asks for {path}"


def test_file_that_was_not_collected_says_what_to_do(collected):
    manifest = json.loads((collected / "staticfiles.json").read_text())
    del manifest["paths"]["office/office.css"]
    (collected / "staticfiles.json").write_text(json.dumps(manifest))

    with pytest.raises(ValueError, match=r"office/office\.css is not among .*: run `manage\.py collectstatic"):
        Client().get(LOGIN)


def test_collection_of_this_release_has_nothing_to_find(collected):
    assert (checks.static_files_are_collected(None), outside.pages().verdict) == ([], "ok")


@pytest.mark.parametrize("change", ["other content", "not there", "not in the manifest"])
def test_collection_of_another_release_is_found_before_a_guest_does(collected, change):
    name = "public/site.css"
    if change == "other content":
        (collected / name).write_text("body {}")
    elif change == "not there":
        (collected / name).unlink()
    else:
        del static_files.storage.staticfiles_storage.hashed_files[name]

    [warning] = checks.static_files_are_collected(None)
    finding = outside.pages()

    assert (warning.id, name in warning.msg, "collectstatic" in warning.hint) == ("homeproductions.W009", True, True)
    assert (finding.verdict, finding.details) == ("wrong", (name,))


def test_nothing_collected_is_worth_a_remark():
    [remark] = checks.static_files_are_collected(None)

    assert (remark.id, outside.pages().verdict) == ("homeproductions.I004", "note")
