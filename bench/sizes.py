"""`make bench ARGS="--sizes"`: what an order takes on the disk, and how long the office waits with so many."""

import time
from collections.abc import Callable
from statistics import median

import requests

from .house import House, bearer
from .processes import manage
from .season import ADMIN, Season

TRIES = 3
FORGOTTEN = 5.2  # seconds; what a web server remembers for five is over by then
SMALLEST = 20  # bytes for each order; tables of less are those of nights and staff
ROOM = """
    SELECT relname AS name, reltuples::bigint AS rows, pg_table_size(oid) AS table, pg_indexes_size(oid) AS indexes
      FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
     ORDER BY pg_total_relation_size(oid) DESC
"""
LINE = "| {:<21} | {:>14} | {:>11} | {:>13} | {:>9} |"


def report(house: House) -> None:
    """Print both tables."""
    for line in (*room(house.season), "", *waits(house)):
        print(line, flush=True)


def room(season: Season) -> list[str]:
    """Bytes for each order, in each table that grows with them."""
    head = LINE.format("table", "rows per order", "table, bytes", "indexes, bytes", "together")
    found = [
        (row["name"], row["rows"] / season.orders, row["table"] / season.orders, row["indexes"] / season.orders)
        for row in season.rows(ROOM)
        if (row["table"] + row["indexes"]) / season.orders >= SMALLEST
    ]
    total = ("together", "", sum(row[2] for row in found), sum(row[3] for row in found))
    return [head, LINE.format(*["---"] * 5), *(_line(*row) for row in (*found, total))]


def _line(name: str, rows: float | str, table: float, indexes: float) -> str:
    shown = rows if isinstance(rows, str) else f"{rows:.2f}"
    return LINE.format(name, shown, f"{table:.0f}", f"{indexes:.0f}", f"{table + indexes:.0f}")


def waits(house: House) -> list[str]:
    """How long one caller waits while nobody else asks."""
    headers = dict([bearer(house.season, house.server, ADMIN)])

    def page(path: str) -> Callable[[], object]:
        def get() -> None:
            requests.get(house.server.url + path, headers=headers, timeout=120).raise_for_status()

        return get

    number, last = f"HP260901-{house.season.orders // 2:08}", house.season.orders // 50
    asked: dict[str, Callable[[], object]] = {
        "statistics": page("/api/admin/stats"),
        "orders, the first page": page("/api/admin/orders?limit=50"),
        "orders, the last page": page(f"/api/admin/orders?limit=50&page={last}"),
        "orders, a name that is looked for": page(
            f"/api/admin/orders?limit=50&search=Guest%20{house.season.orders // 3}"
        ),
        "one order": page(f"/api/orders/{number}"),
        "doctor --only books": lambda: manage("doctor --only books", house.season.environment),
    }
    rows = [f"| {title:<33} | {median(_times(ask)):>12.0f} |" for title, ask in asked.items()]
    return [f"| {'asked':<33} | milliseconds |", f"| {'---':<33} | {'---:':>12} |", *rows]


def _times(ask: Callable[[], object]) -> list[float]:
    """Each in milliseconds, on a server that has read it before and remembers nothing of it."""
    ask()
    found = []
    for _ in range(TRIES):
        time.sleep(FORGOTTEN)
        start = time.perf_counter()
        ask()
        found.append((time.perf_counter() - start) * 1000)
    return found
