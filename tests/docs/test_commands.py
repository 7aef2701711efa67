"""Every command of every page."""

import secrets
import subprocess
import sys

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink

from homeproductions.embedded_postgres import throwaway
from tests import test_api_doc
from tests.docs import not_run
from tests.docs.reading import Command, commands_of, pages
from tests.docs.sandbox import Sandbox
from tests.outside import program
from tests.processes import ROOT, free_port

pytestmark = pytest.mark.timeout(900)
# Pages that begin with a bare machine; the others are about one that is set up.
FROM_NOTHING = ("docs/operations.md",)
KEYS = {"JWT_SECRET": secrets.token_urlsafe(48), "JWT_REFRESH_SECRET": secrets.token_urlsafe(48)}
# Somebody whom the pages ask about.
ANA = "from newsletter.models import Subscriber; Subscriber.objects.create(email='ana@example.org', is_active=True)"


@pytest.fixture(scope="module")
def cluster():
    with throwaway() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def ready(cluster):
    """The address of a database that is set up, with a guest in it."""
    cluster.create_database("ready")
    variables = {"DATABASE_URL": cluster.url("ready"), **KEYS}
    for command in (["migrate", "-v", "0"], ["shell", "-v", "0", "-c", ANA]):
        subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=variables, check=True)
    return variables


@pytest.fixture(scope="module")
def mail_port():
    server = Controller(Sink(), hostname="127.0.0.1", port=free_port())
    server.start()
    yield server.port
    server.stop()


@pytest.fixture
def sandbox(tmp_path, cluster, mail_port):
    sandbox = Sandbox(tmp_path, cluster, mail_port)
    yield sandbox
    sandbox.stop()


def split(commands: list[Command]) -> tuple[list[str], list[tuple[str, not_run.NotRun]]]:
    """What is run, and what is not."""
    rules = [(command.text, not_run.reason(command.page, command.text)) for command in commands]
    return [text for text, rule in rules if rule is None], [(text, rule) for text, rule in rules if rule]


@pytest.mark.parametrize("page", pages())
def test_commands_that_are_not_run_could_be(page):
    _, excused = split(commands_of(ROOT / page))

    assert [text for text, rule in excused if not rule.check(text)] == []


@pytest.mark.parametrize("page", [page for page in pages() if split(commands_of(ROOT / page))[0]])
def test_commands_do_what_the_page_says(page, sandbox, request):
    to_run, _ = split(commands_of(ROOT / page))
    if any("curl " in text for text in to_run):
        program("curl")
    variables = {} if page in FROM_NOTHING else request.getfixturevalue("ready")

    failed, output = sandbox.run(to_run, **variables)

    logs = "\n".join(path.read_text() for path in (sandbox.root / "run").glob("*.log"))
    assert not failed, f"{page}: {failed}\n{output}\n{logs}"


# --- The runner itself ----------------------------------------------------------------------------------------------

PAGE = """
```console
echo one   # a comment
A=1; B=2
cat <<END > note.txt
  $A $B
END
echo a \\
  b
```

```json
{"not": "a command"}
```
"""


def written(folder, text):
    (folder / "page.md").write_text(text)
    return commands_of(folder / "page.md")


def test_page_is_read_as_it_would_be_typed(tmp_path):
    texts = [command.text for command in written(tmp_path, PAGE)]

    assert texts == ["echo one", "A=1; B=2", "cat <<END > note.txt\n  $A $B\nEND", "echo a \\\n  b"]


def test_state_is_kept_from_one_command_to_the_next(tmp_path, sandbox):
    failed, output = sandbox.run([command.text for command in written(tmp_path, PAGE)])

    assert (failed, (sandbox.home / "note.txt").read_text(), "a b" in output) == ("", "  1 2\n", True)


@pytest.mark.parametrize(
    "command", ["python manage.py forgte ana@example.org", "no-such-program", "sudo deploy/run python manage.py doctor"]
)
def test_command_that_does_not_work_is_found(tmp_path, sandbox, command):
    to_run, excused = split(written(tmp_path, f"```console\necho fine\n{command}\necho never\n```\n"))

    assert (to_run, excused) == (["echo fine", command, "echo never"], [])
    assert sandbox.run(to_run)[0] == command


@pytest.mark.parametrize(
    "command",
    [
        "make tset",
        ".venv/bin/pip install -r requirements.txt",
        "pip install --require-hashes -r requirement.txt",
        "docker run --rm homeproductions deploy/relaese",
        "docker build --build-arg REQUIREMENT=requirements.txt .",
        "docker build --build-arg REQUIREMENTS=requirements-sentri.txt .",
        "python3 -m http.server 8100 --directory docs/example-shops",
    ],
)
def test_excuse_that_does_not_hold_is_found(tmp_path, command):
    [(text, rule)] = split(written(tmp_path, f"```console\n{command}\n```\n"))[1]

    assert rule.check(text) is False


@pytest.mark.parametrize("language", ["sh", "shell", "bash", "console"])
def test_command_of_the_api_page_that_its_own_test_leaves_out_is_found(language, monkeypatch):
    """That test reads `console` alone, and pastes whole blocks."""
    monkeypatch.setattr(test_api_doc, "TEXT", f'```console\ncurl "$URL/api/events"\n```\n```{language}\ncurl no\n```\n')
    commands = [Command("docs/api.md", text) for text in ('curl "$URL/api/events"', "curl no")]

    checked = [rule.check(text) for text, rule in split(commands)[1]]

    assert checked == [True, language == "console"]
