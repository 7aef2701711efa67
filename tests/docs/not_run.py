"""Commands that a test cannot run, each with the reason, and with what is looked at instead."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

from tests import test_api_doc
from tests.deploy import image
from tests.docs import reading
from tests.processes import ROOT

Check = Callable[[str], bool]


def makefile_has_it(text: str) -> bool:
    """The target exists, and make understands the variables."""
    done = subprocess.run(["make", "--dry-run", *words(text)[1:]], cwd=ROOT, capture_output=True, check=False)
    return done.returncode == 0


def bash_can_read_it(text: str) -> bool:
    program = ROOT / words(text)[0]
    done = subprocess.run(["bash", "-n", program], check=False)
    return os.access(program, os.X_OK) and done.returncode == 0


def lock_exists(text: str) -> bool:
    """And its hashes are asked for."""
    return "--require-hashes" in words(text) and (ROOT / word_after("-r", text)).is_file()


def packages_have_plain_names(text: str) -> bool:
    return all(re.fullmatch(r"[a-z0-9.+-]+|--[a-z-]+", word) for word in text.partition("apt-get")[2].split())


def module_exists(text: str) -> bool:
    command = [sys.executable, "-m", word_after("-m", text), "--help"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def folder_is_served(text: str) -> bool:
    return module_exists(text) and (ROOT / word_after("--directory", text) / "index.html").is_file()


def image_is_described(text: str) -> bool:
    """It is built with arguments that it asks for, and whatever is run in it is a program that it has."""
    asked = [rest.partition("=")[0] for word, rest in image.instructions() if word == "ARG"]
    given = [each.partition("=") for each in re.findall(r"--build-arg (\S+)", text)]
    program = re.findall(r"^docker run .* homeproductions (?!python )(\S+)", text)
    needed = [*program, *(value for _, _, value in given)]
    return all(name in asked for name, _, _ in given) and all((ROOT / name).is_file() for name in needed)


def api_page_runs_it(text: str) -> bool:
    """This very command is among those that the page's own test pastes into a shell."""
    return any(text in reading.commands(block) for block, _, _ in test_api_doc.examples())


def is_spelled_as_meant(text: str) -> bool:
    """Nothing to look at: the words themselves are what the rule knows."""
    return True


@dataclass(frozen=True)
class NotRun:
    pattern: str
    because: str
    check: Check = is_spelled_as_meant
    pages: str = ".*"

    def covers(self, page: str, text: str) -> bool:
        return bool(re.fullmatch(self.pages, page) and re.fullmatch(self.pattern, text, re.DOTALL))


NOT_RUN = (
    NotRun(r"(\w+=\S+ )*make [\w-]+.*", "takes minutes; has tests of its own, or is what CI runs", makefile_has_it),
    NotRun(r"\.ci/run", "is what runs this test", bash_can_read_it),
    NotRun(r".*pip install .*-r \S+", "takes a minute; `make install` has done the same", lock_exists),
    NotRun(r".*python3 -m venv \.venv", "the sandbox has one", module_exists),
    NotRun(r"sudo apt-get (update|install .*)", "changes this machine", packages_have_plain_names),
    NotRun(r"sudo adduser --system .* homeproductions", "changes this machine"),
    NotRun(r"sudo -u homeproductions git (clone|pull) .*", "the sandbox has the code"),
    NotRun(r"sudo certbot --nginx --redirect -d tickets\.example", "needs a name in the world and its certificate"),
    NotRun(r"docker .*", "no Docker here; tests/deploy/test_files.py runs the steps of the image", image_is_described),
    NotRun(r"sudo journalctl .*", "systemd does not run here"),
    NotRun(r"sudo nginx -t", "reads this machine's own sites; tests/deploy/test_files.py shows ours to it"),
    NotRun(r"python3 -m http\.server .*", "stays until it is stopped, at a port of its own", folder_is_served),
    NotRun(r".*", "has a test of its own, tests/test_api_doc.py", api_page_runs_it, r"docs/api\.md"),
)


def reason(page: str, text: str) -> NotRun | None:
    """The first rule that covers the command. None: it is run."""
    return next((rule for rule in NOT_RUN if rule.covers(page, text)), None)


def words(text: str) -> list[str]:
    """Without variables in front."""
    parts = shlex.split(text)
    return [part for place, part in enumerate(parts) if place or "=" not in part]


def word_after(option: str, text: str) -> str:
    return words(text)[words(text).index(option) + 1]
