"""What the tests need from the environment, for whoever has not set it: a throw-away PostgreSQL and secrets.

pytest loads this as a plugin (`-p tests.embedded_database`, in pyproject.toml), so that it comes before the settings
are read. `python -m tests.embedded_database PROGRAM ...` runs any Python program the same way.
"""

import atexit
import os
import secrets
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager

import pytest


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, object, object]:
    """Set the scene before pytest-django reads the settings. Parallel workers inherit it from the first process."""
    scene = ExitStack()
    scene.enter_context(stand_ins())
    early_config.add_cleanup(scene.close)
    atexit.register(scene.close)
    return (yield)


@contextmanager
def stand_ins() -> Iterator[None]:
    """Give each required variable a value while the block runs, unless it has one. Empty counts as unset."""
    with ExitStack() as stack:
        for name in ("JWT_SECRET", "JWT_REFRESH_SECRET"):
            if not os.environ.get(name, "").strip():
                stack.enter_context(_variable(name, secrets.token_urlsafe(48)))
        # What somebody collected here for a release may be older than the code that is tested.
        stack.enter_context(_variable("STATIC_ROOT", os.path.join(os.sep, "nonexistent", "static")))
        if not os.environ.get("DATABASE_URL", "").strip():
            stack.enter_context(_variable("DATABASE_URL", stack.enter_context(_throwaway_database())))
        yield


@contextmanager
def _throwaway_database() -> Iterator[str]:
    # Not needed, and on Windows not even importable, when the developer brings a server along.
    from homeproductions.embedded_postgres import throwaway

    with throwaway() as cluster:
        cluster.create_database("homeproductions")
        yield cluster.url("homeproductions")


@contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


if __name__ == "__main__":
    with stand_ins():
        sys.exit(subprocess.run([sys.executable, *sys.argv[1:]], check=False).returncode)
