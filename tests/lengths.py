"""How long the fault and attack tests go on: shortened in `make test`, at full length in `make torture`."""

import os

FULL = os.environ.get("TORTURE") == "1"


def length(short: int, full: int) -> int:
    """`full` under `make torture`, `short` otherwise: rounds, mails, examples, whatever a test counts."""
    return full if FULL else short
