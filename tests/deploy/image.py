"""The folder that the Dockerfile makes, without Docker: the files that .dockerignore lets in, and the RUN steps."""

import re
import shutil
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from tests.processes import ROOT


def build(folder: Path) -> None:
    """Copy into the folder what `COPY . .` would."""
    for name in checked_in():
        if is_let_in(name, (ROOT / ".dockerignore").read_text()):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def checked_in() -> list[str]:
    """What a clean checkout holds; where this is none (a downloaded archive), what lies here but for hidden folders."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return [name for name in done.stdout.splitlines() if (ROOT / name).is_file()]
    found = [path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file()]
    return [str(path) for path in found if not any(part in (".venv", ".git", "__pycache__") for part in path.parts)]


def is_let_in(name: str, rules: str) -> bool:
    """As Docker reads the file: the last rule that matches the path, or a folder above it, decides."""
    answer = True
    for rule in rules.splitlines():
        if rule and not rule.startswith("#") and _matches(rule.removeprefix("!"), name):
            answer = rule.startswith("!")
    return answer


def _matches(pattern: str, name: str) -> bool:
    path = PurePosixPath(name)
    for place in (path, *path.parents):
        parts = place.parts
        if pattern.startswith("**/"):
            if parts and fnmatchcase(parts[-1], pattern.removeprefix("**/")):
                return True
        elif len(parts) == 1 and fnmatchcase(parts[0], pattern):
            return True
    return False


def instructions() -> list[tuple[str, str]]:
    """`[("RUN", "python ..."), ...]`, each on one line and without comments."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    text = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in text.splitlines()) if word]
