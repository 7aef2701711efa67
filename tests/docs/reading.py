"""The commands of a page: the lines of its console blocks, as somebody would type them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.processes import ROOT

BLOCK = re.compile(r"^```(?:console|sh|bash|shell)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"\s+# .*$")
HERE = re.compile(r"<<-?\s*['\"]?(\w+)")


@dataclass(frozen=True)
class Command:
    page: str
    text: str


def pages() -> list[str]:
    """Every page that tells somebody to type something."""
    found = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/*.md")]
    return sorted(str(path.relative_to(ROOT)) for path in found if commands_of(path))


def commands_of(path: Path) -> list[Command]:
    name = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name
    blocks = BLOCK.findall(path.read_text(encoding="utf-8"))
    return [Command(name, text) for block in blocks for text in commands(block)]


def commands(block: str) -> Iterator[str]:
    """Lines that go on (a backslash, a here-document) are one command. Comments behind a command are left out."""
    lines = iter(block.splitlines())
    for line in lines:
        text = COMMENT.sub("", line.removeprefix("$ ")).rstrip()
        while text.endswith("\\"):
            text += f"\n{next(lines)}"
        if here := HERE.search(text):
            for more in lines:
                text += f"\n{more}"
                if more.strip() == here[1]:
                    break
        if text.strip() and not text.lstrip().startswith("#"):
            yield text
