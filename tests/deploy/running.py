"""How a test runs a program of deploy/."""

import os
import subprocess
import sys
from pathlib import Path

from tests.outside import SYSTEM
from tests.processes import ROOT

DEPLOY = ROOT / "deploy"
BIN = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}{os.pathsep}{SYSTEM}"


def run(*command: str, cwd: Path | str = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    """The program with these variables beside those of the test, in the checkout or in `cwd`."""
    variables = {**os.environ, "PATH": BIN, **variables}
    return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False)
