"""Programs that some tests need and a user's machine may lack: a browser, a proxy, a pooler, Redis."""

import os
import shutil

import pytest

SYSTEM = "/usr/local/sbin:/usr/sbin:/sbin"  # where daemons lie, which an ordinary user's PATH may leave out


def program(*names: str) -> str:
    """The path of the first of these that is there. Skips the test where none is, unless this is the machine that must
    have it (`CI=true`): there it fails."""
    path = f"{os.environ.get('PATH', os.defpath)}:{SYSTEM}"
    found = next((where for name in names if (where := shutil.which(name, path=path))), None)
    if found is None and os.environ.get("CI") == "true":
        pytest.fail(f"there is no {names[0]}, and here its tests must run")
    return found or pytest.skip(f"there is no {names[0]} on this machine")
