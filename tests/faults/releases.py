"""This project as it was, and as it might be: checkouts beside this one."""

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.processes import ROOT

LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "staticfiles", "media")
BLIND_COLUMN = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "{latest}")]
    operations = [migrations.AddField("order", "blind", models.IntegerField(default=0))]
"""


def before_the_newest_migration(folder: Path) -> Path:
    """The commit before the one that brought the newest migration. Skips the test where git does not know it."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("this is no git checkout, so nobody knows what was before")
    ours = ("*/migrations/0*.py", ":!tests")  # tests plant some of their own
    newest = git("log", "-1", "--diff-filter=A", "--format=%H", "--", *ours).decode().strip()
    try:
        archive = git("archive", "--format=tar", f"{newest}^")
    except subprocess.CalledProcessError:
        pytest.skip("this checkout is shallow, so nobody knows what was before")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    return folder


def git(*arguments: str) -> bytes:
    # A checkout that belongs to somebody else is read all the same.
    command = ["git", "-c", f"safe.directory={ROOT}", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout


def with_a_blind_column(folder: Path) -> Path:
    """This release, and a column of orders that only it knows how to fill."""
    shutil.copytree(ROOT, folder, ignore=LEFT_OUT)
    migrations = folder / "orders" / "migrations"
    latest = max(path.stem for path in migrations.glob("0*.py"))
    (migrations / "9999_blind.py").write_text(BLIND_COLUMN.format(latest=latest))
    return folder
