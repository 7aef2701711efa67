"""The disk of the database fills up during a sale, and somebody makes room again."""

import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path

import psycopg
import pytest

from tests.processes import wait_until

from . import after
from .cluster import data_folder, move, own_cluster, processes
from .evening import Evening

SIZE = 200  # MB: the programs (root runs a copy of them), an empty database, its journal
BLOCK = b"\0" * 65_536


@pytest.fixture
def small_disk():
    """A file system in memory. Most machines let only root mount one, and many containers not even root."""
    with data_folder() as folder:
        options = ["-t", "tmpfs", "-o", f"size={SIZE}m,mode=0711", "tmpfs", folder]
        mount = shutil.which("mount")
        if mount is None or subprocess.run([mount, *options], capture_output=True, check=False).returncode:
            pytest.skip("this machine lets nobody mount a small disk")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path) -> Path:
    """A file that takes all the room there is."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(BLOCK)
        except OSError:
            return filler


def come_back(cluster):
    """A server that gave up is started again, as whatever watches over it would."""
    if not processes(cluster):
        cluster.stop()
        cluster.start()


def choke(disk, evening, house):
    """Guests come while there is no room. Once some of them were told, there is room again. Returns when it began."""
    evening.more(10)
    began = time.monotonic()
    filler = fill(disk)
    wait_until(lambda: evening.told(503) + evening.told(500) > 20, "guests to hear of it")
    with pytest.raises(psycopg.OperationalError):
        house.execute("CREATE TABLE choked AS SELECT generate_series(1, 2000)")
    filler.unlink()
    return began


def test_a_full_disk_refuses_guests_and_loses_nothing(house, post_office, small_disk):
    with own_cluster(small_disk) as cluster:
        move(house, cluster, "full")
        with house.web() as server, house.worker():
            evening = Evening(house, server.address)
            with evening.goes_on():
                began = choke(small_disk, evening, house)
                come_back(cluster)
                ended = time.monotonic()
                evening.more(10)
            after.leases_end(house)
            after.settle(house)

            # A mail may have left while there was no room to write that down (the first of them just before), and no
            # other may come twice.
            left = [mail for mail in post_office.mails if began <= mail.at <= ended]
            assert after.wrong(house, evening, post_office, copies=1 + len(left)) == []
            assert max(Counter(mail.id for mail in post_office.mails).values()) <= 2


def test_a_server_that_does_not_know_this_error_is_found(house, small_disk):
    """The control."""
    with own_cluster(small_disk) as cluster:
        move(house, cluster, "full")
        with house.web("tests.faults.spoilt_wsgi", workers=1, SPOILT="blunt") as server:
            evening = Evening(house, server.address, patience=10)
            with evening.goes_on():
                choke(small_disk, evening, house)

    assert any(" 500 " in line for line in evening.unclean)
