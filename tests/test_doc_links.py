"""No link between the documents leads nowhere."""

import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.processes import ROOT

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
OUTSIDE = re.compile(r"[a-z]+:")


def documents() -> list[Path]:
    """Every Markdown file that belongs to the project."""
    folders = [ROOT / "docs", ROOT / "bench"]
    return sorted([*ROOT.glob("*.md"), *(path for folder in folders for path in folder.rglob("*.md"))])


def anchors(text: str) -> set[str]:
    """What the headings are called in addresses, as GitHub does it."""
    headings = re.findall(r"^#+ (.+)$", CODE.sub(lambda code: code[0].strip("`"), text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead(document: Path, text: str) -> list[str]:
    """The links of the text that lead to no file, or to no heading of one."""
    found = []
    for link in LINK.findall(CODE.sub("", text)):
        if OUTSIDE.match(link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            found.append(link)
    return found


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    assert dead(document, document.read_text()) == []


def test_dead_links_are_seen():
    text = "[a](nowhere.md) [b](CHANGELOG.md#nothing) [c](CHANGELOG.md) `[d](x.md)` [e](https://example.com)"

    assert dead(ROOT / "README.md", text) == ["nowhere.md", "CHANGELOG.md#nothing"]


def test_every_document_can_be_reached_from_the_readme():
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        document = waiting.pop()
        if document in reached:
            continue
        reached.add(document)
        links = [unquote(link).partition("#")[0] for link in LINK.findall(document.read_text()) if "://" not in link]
        waiting += [path for link in links if (path := (document.parent / link).resolve()).suffix == ".md"]

    assert set(documents()) - reached - {ROOT / "CHANGELOG.md"} == set()


def test_everything_that_is_linked_is_part_of_the_project():
    """A file that only lies on this machine would be missing from a fresh clone."""
    known = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if known.returncode:
        pytest.skip("this is no clone")
    for document in documents():
        for link in LINK.findall(CODE.sub("", document.read_text())):
            path = (document.parent / unquote(link).partition("#")[0]).resolve()
            if not OUTSIDE.match(link) and path.is_file():
                assert str(path.relative_to(ROOT)) in known.stdout.split("\0")
