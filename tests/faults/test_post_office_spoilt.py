"""The mail server says nothing, trickles, is busy, hangs up, refuses: and then it is well again."""

from collections import Counter

from tests.processes import wait_until

from . import after
from .evening import Evening
from .house import CARELESS
from .post_office import BUSY, BUSY_LATER, DROPS, SILENT, SLOW, WELL

TRIED_IN_VAIN = "SELECT count(*) FROM email_outbox WHERE error_message IS NOT NULL AND closed_at IS NULL"
MOODS = [SILENT, SLOW, BUSY, BUSY_LATER, DROPS]
REFUSED = 2  # the guest who has mistyped their address: an even one, who does not pay


def spoil(house, post_office, evening, mood):
    """Guests order while it is in this mood. Returns once the worker has met it."""
    post_office.mood = mood
    met = house.value(TRIED_IN_VAIN)
    for _ in range(2):
        evening.guest()
    wait_until(lambda: house.value(TRIED_IN_VAIN) > met, f"a try in vain: {mood}")


def test_every_mail_arrives_once_the_server_is_well(house, post_office):
    refused = f"guest{REFUSED}@example.org"
    post_office.refuses.add(refused)
    with house.web() as server, house.worker() as worker:
        evening = Evening(house, server.address)
        for mood in MOODS:
            spoil(house, post_office, evening, mood)
            post_office.mood = WELL
            after.pauses_pass(house)
            after.settle(house)

        # A mail that was taken without a word comes once more; what is refused for good is not tried again.
        wrong = after.wrong(house, evening, post_office, copies=post_office.dropped)
        assert wrong == [f"1 mails given up, to {[refused]}"]
        assert max(Counter(mail.id for mail in post_office.mails).values()) == 2
        assert worker.poll() is None


def test_a_worker_that_gives_up_at_once_is_found(house, post_office):
    """The control."""
    with house.web() as server, house.worker(command=CARELESS, CARELESS="gives up"):
        spoil(house, post_office, Evening(house, server.address), BUSY_LATER)
        post_office.mood = WELL
        after.settle(house)

    assert any("given up" in line for line in after.leftovers(house))
