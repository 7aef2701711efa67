"""The mail worker is killed again and again over a few hundred mails, at the worst moments of a mail."""

import signal
from contextlib import ExitStack
from itertools import cycle

from tests.lengths import length
from tests.processes import wait_until

from . import after
from .evening import Evening
from .house import CARELESS, LOOP, PATIENCE

KILLS = length(6, 12)
# Two for each guest who pays, one for each who does not.
GUESTS = length(66, 200)
# Between two words with the post office nobody outside can tell the moment: these workers end themselves.
UNSEEN = {"claim": "dies before it connects", "note": "dies before it notes"}


class Assassin:
    """Kills the worker that is talking to the post office: before a mail is in, and when it is in and nobody has told
    the worker; or one that has only claimed a mail, or heard that it is in and not noted that. Then the next worker is
    hired."""

    def __init__(self, house, post_office, command=LOOP):
        self.house, self.office, self.command = house, post_office, command
        self.worker, self.killed, self.mails_of_this_one = None, 0, 0
        self.moments = cycle(["recipient", "mail", "claim", "note"])
        self.moment = next(self.moments)

    def work_all_off(self, kills):
        """Start workers until so many have been killed. Returns how many were killed with a mail already in."""
        self.office.on_mail, self.office.on_recipient = self.at_mail, self.at_recipient
        self.in_vain = 0
        while self.killed < kills:
            before = self.killed
            with ExitStack() as stack:
                self.mails_of_this_one = 0
                ends_itself = self.moment in UNSEEN
                self.worker = stack.enter_context(
                    self.house.worker(
                        command=CARELESS if ends_itself else self.command,
                        CARELESS=UNSEEN.get(self.moment, "new id"),
                    )
                )
                if ends_itself:
                    self.see_it_die()
                wait_until(lambda before=before: self.killed > before, "a moment to kill the worker")
                self.worker.wait()
        self.office.on_mail = self.office.on_recipient = lambda: None
        return self.in_vain

    def at_recipient(self):
        if self.moment == "recipient" and self.mails_of_this_one == 2:
            self.kill()

    def at_mail(self):
        self.mails_of_this_one += 1
        if self.moment == "mail" and self.mails_of_this_one == 3:
            self.in_vain += 1
            self.kill()

    def see_it_die(self):
        assert self.worker.wait(PATIENCE) == -signal.SIGKILL
        assert self.mails_of_this_one == (3 if self.moment == "note" else 0)
        self.in_vain += self.moment == "note"
        self.next_moment()

    def kill(self):
        self.worker.kill()
        self.worker.wait()
        self.next_moment()

    def next_moment(self):
        self.moment = next(self.moments)
        self.killed += 1


def orders(house, server, guests):
    evening = Evening(house, server.address)
    with evening.goes_on():
        evening.more(guests)
    return evening


def test_killed_mail_workers_lose_no_mail_and_few_come_twice(house, post_office):
    with house.web() as server:
        evening = orders(house, server, GUESTS)
        in_vain = Assassin(house, post_office).work_all_off(KILLS)
        assert (house.value(after.HELD), len(post_office.mails) < house.value(after.PROMISED)) == (KILLS, True)

        with house.worker():
            after.leases_end(house)
            after.settle(house)
            assert after.wrong(house, evening, post_office, copies=in_vain) == []
    assert in_vain > 0
    surplus = len(post_office.mails) - len({mail.id for mail in post_office.mails})
    assert surplus == in_vain  # and each of those came twice, with the same Message-ID


def test_a_worker_that_numbers_each_try_anew_is_found(house, post_office):
    """The control."""
    with house.web() as server:
        orders(house, server, 10)
    assert Assassin(house, post_office, CARELESS).work_all_off(2) == 1
    with house.worker(command=CARELESS, CARELESS="new id"):
        after.leases_end(house)
        after.settle(house)

    assert any("Message-IDs" in line for line in after.different_copies(post_office.mails, 1))
