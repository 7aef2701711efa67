"""What a machine has and a sandbox has not: `sudo`, accounts, and a `systemctl` for our own units. Written as programs
into a folder that comes first on the PATH."""

import shlex
import sys
from pathlib import Path

SUDO = """#!/bin/sh
# Who is asked for is whom PostgreSQL sees; nothing here runs with other rights.
if [ "$1" = -u ]; then export PGUSER="$2"; shift 2; else export PGUSER=homeproductions; fi
exec "$@"
"""

INSTALL = """#!/bin/sh
# The accounts are not there, and everything belongs to whoever runs the test.
for word in "$@"; do
  shift
  case $word in
    -o | -g) skip=1 ;;
    *) [ "${skip-}" ] || set -- "$@" "$word"; skip= ;;
  esac
done
PATH=/usr/bin:/bin exec install "$@"
"""

SYSTEMCTL = """import os, pathlib, re, signal, subprocess, sys, time
box = pathlib.Path({box!r})
verbs = [word for word in sys.argv[1:] if not word.startswith("--")]
verb, names = verbs[0], verbs[1:]

def unit(name):
    return dict(re.findall(r"(?m)^(\\w+)=(.*)$", (box / "etc/systemd/system" / name).read_text()))

def stop(name):
    pid = box / "run" / name
    if pid.exists():
        os.kill(int(pid.read_text()), signal.SIGTERM)
        while pathlib.Path("/proc", pid.read_text(), "stat").exists():
            if pathlib.Path("/proc", pid.read_text(), "stat").read_text().rpartition(")")[2].split()[0] == "Z":
                break
            time.sleep(0.1)
        pid.unlink()

def start(name):
    found = unit(name)
    log = (box / "run" / f"{{name}}.log").open("ab")
    program = subprocess.Popen(found["ExecStart"].split(), cwd=found["WorkingDirectory"], stdout=log, stderr=log,
                               stdin=subprocess.DEVNULL, start_new_session=True)
    (box / "run" / name).write_text(str(program.pid))

if verb == "daemon-reload" or names in (["nginx"], ["postgresql"]):
    sys.exit()
assert verb in ("enable", "start", "restart", "stop"), verb
for name in names:
    if name.endswith(".socket"):
        assert unit(name)["ListenStream"]
        continue
    stop(name)
    if verb != "stop":
        start(name)
"""


def write(folder: Path, box: Path) -> None:
    folder.mkdir()
    program = folder / "systemctl.py"
    program.write_text(SYSTEMCTL.format(box=str(box)))
    # Not in its first line, which takes no path with a space in it.
    systemctl = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(program))} "$@"\n'
    for name, text in (("sudo", SUDO), ("install", INSTALL), ("systemctl", systemctl)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
