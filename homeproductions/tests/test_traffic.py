"""Requests are counted over all workers of a server, also those that are gone."""

import os
import signal
import threading

import pytest

from homeproductions.traffic import COLUMNS, ROUTES, Traffic, route_of


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/api/events", "events"),
        ("/api/events/luna-llena/", "events"),
        ("/api/orders/HP261123-4K7Q0ZPA", "orders"),
        ("/api/admin/orders", "admin_api"),
        ("/api/webhook/payment", "webhook"),
        ("/orders/token/", "order_page"),
        ("/admin/orders/order/", "office"),
        ("/health/live", "health"),
        ("/api", "other"),
        ("/api/", "other"),
        ("/", "other"),
        ("", "other"),
        ("//api/events", "other"),
        ('/"} 1 evil/', "other"),
    ],
)
def test_route_is_one_of_a_few_words(path, route):
    assert route_of(path) == route
    assert route in ROUTES


def test_unknown_status_counts_as_other():
    traffic = Traffic()

    traffic.note("/api/events", 418, 0.25)
    traffic.note("/api/events", 200, 0.5)

    assert traffic.answers() == {("events", "200"): 1, ("events", "other"): 1}
    assert traffic.seconds() == {"events": 0.75}
    assert COLUMNS[-1] == "other"


def test_threads_lose_no_count():
    traffic = Traffic()

    def count():
        for _ in range(5_000):
            traffic.note("/api/orders", 201, 0.000_001)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert traffic.answers() == {("orders", "201"): 20_000}
    assert traffic.seconds() == {"orders": 0.02}


def fork(work):
    """Run the function in a process of its own. Returns its id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
    finally:
        os._exit(0)


def test_counts_of_killed_workers_stay_and_their_pages_are_taken_again():
    traffic = Traffic(pages=3)
    traffic.note("/health", 200, 0)

    for _ in range(6):  # more than there are pages
        pid = fork(lambda: (traffic.note("/health", 200, 0), os.kill(os.getpid(), signal.SIGKILL)))
        assert os.WIFSIGNALED(os.waitpid(pid, 0)[1])

    assert traffic.answers() == {("health", "200"): 7}


def test_workers_that_live_at_the_same_time_have_pages_of_their_own():
    traffic = Traffic(pages=8)
    ready, go = os.pipe(), os.pipe()

    def work():
        traffic.note("/health", 200, 0)
        os.write(ready[1], b"%d " % traffic._page)
        os.read(go[0], 1)

    pids = [fork(work) for _ in range(3)]
    pages = b""
    while pages.count(b" ") < 3:
        pages += os.read(ready[0], 100)
    os.write(go[1], b"xxx")
    for pid in pids:
        os.waitpid(pid, 0)

    assert len(set(pages.split())) == 3
