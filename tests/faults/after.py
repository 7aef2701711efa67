"""What must be true after any fault. Each look returns what it found wrong, in words; nothing is right."""

from collections import Counter, defaultdict

import requests

from tests.lengths import FULL
from tests.processes import wait_until

from .evening import Evening
from .house import PATIENCE, House
from .post_office import PostOffice, Received

LIVE = "status IN ('pending', 'paid') AND NOT is_test"
SOLD = f"""
    SELECT tier.name, tier.sold, tier.quantity, coalesce(sum(orders.quantity) FILTER (WHERE {LIVE}), 0) AS seats
    FROM ticket_tiers AS tier LEFT JOIN orders ON orders.tier_id = tier.id
    GROUP BY tier.id
"""
PAID = """
    SELECT order_number, status,
           (SELECT count(*) FROM payments WHERE order_id = orders.id AND kind = 'charge') AS payments,
           (SELECT count(*) FROM journal WHERE order_id = orders.id AND kind = 'sale') AS sales
    FROM orders WHERE order_number = ANY(%s)
"""
STUCK_MAIL = "SELECT count(*) FROM email_outbox WHERE status = 'processing' AND lease_until < now()"
UNSENT = "SELECT count(*) FROM email_outbox WHERE status IN ('pending', 'processing')"
HELD = "SELECT count(*) FROM email_outbox WHERE status = 'processing'"
PROMISED = "SELECT count(*) FROM email_outbox WHERE closed_at IS NULL"
GIVEN_UP = "SELECT recipient_email FROM email_outbox WHERE status = 'failed' AND closed_at IS NULL"
STUCK_NOTICES = "SELECT count(*) FROM webhook_deliveries WHERE status IN ('received', 'failed')"
FORGOTTEN_TRANSACTIONS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND state LIKE 'idle in transaction%%' AND now() - state_change > interval '10 s'
"""
DUE_NOW = """
    UPDATE email_outbox SET next_attempt_at = now() WHERE status = 'pending';
    UPDATE webhook_deliveries SET received_at = now() - interval '1 hour', processed_at = now() - interval '1 hour'
    WHERE status IN ('received', 'failed')
"""
# A worker that lives has a mail in hand for milliseconds. What is held longer is held by nobody.
IN_HAND = "10 s"
END_LEASES = f"""
    UPDATE email_outbox SET lease_until = now()
    WHERE status = 'processing' AND last_attempt_at < now() - interval '{IN_HAND}'
"""
HELD_NOW = f"""
    SELECT count(*) FROM email_outbox
    WHERE status = 'pending' OR (status = 'processing' AND last_attempt_at >= now() - interval '{IN_HAND}')
"""
LEASE_AND_RETRY = 400  # seconds: a lease and the first pause after a failure, and the work itself


def wrong(house: House, evening: Evening, office: PostOffice, *, copies: int = 0, lines_cut: int = 0) -> list[str]:
    """Everything that is wrong. `copies` mails may have come twice, `lines_cut` requests been broken off."""
    return [
        *unclean_answers(evening, lines_cut),
        *books(house),
        *lost_or_doubled_orders(house, evening),
        *unbooked_payments(house, evening),
        *missing_tickets(evening, office),
        *different_copies(office.mails, copies),
        *leftovers(house),
        *shut_doors(house, evening, office),
    ]


def settle(house: House) -> None:
    """Wait until everything promised is done."""
    patience = LEASE_AND_RETRY if FULL else PATIENCE
    wait_until(lambda: not house.value(UNSENT) and not house.value(STUCK_NOTICES), "mails and notices", patience)


def pauses_pass(house: House) -> None:
    """What waits for its next try is due. At full length the minutes really pass."""
    if not FULL:
        house.execute(DUE_NOW)


def leases_end(house: House) -> None:
    """What somebody held who is dead, or who could not write down that it was sent, is free again. At full length the
    minutes really pass."""
    if not FULL:
        wait_until(lambda: not house.value(HELD_NOW), "all other mails")
        house.execute(END_LEASES)


def unclean_answers(evening: Evening, lines_cut: int) -> list[str]:
    found = [f"answer: {each}" for each in evening.unclean]
    if evening.broken > lines_cut:
        found.append(f"{evening.broken} requests broke off, for which {lines_cut} have an excuse")
    return found


def books(house: House, *checks: str) -> list[str]:
    """Seats against orders in SQL of our own, and what the doctor says of the books and of money that waits."""
    found = [
        f"{row['name']}: sold {row['sold']} of {row['quantity']}, orders hold {row['seats']}"
        for row in house.rows(SOLD)
        if not 0 <= row["sold"] == row["seats"] <= row["quantity"]
    ]
    doctor = house.manage("doctor", "--only", *(checks or ("books", "money")))
    return [*found, f"doctor: {doctor.stdout}{doctor.stderr}"] if doctor.returncode else found


def lost_or_doubled_orders(house: House, evening: Evening) -> list[str]:
    """A guest who was told a number has that order and no other."""
    stored = defaultdict(set)
    for row in house.rows("SELECT buyer_email, order_number FROM orders WHERE tier_id = %s", house.tier):
        stored[row["buyer_email"]].add(row["order_number"])
    told = {guest: numbers for guest, numbers in evening.ordered.items() if numbers}
    return [
        f"{guest} was told {numbers} and has {stored[guest]}"
        for guest, numbers in told.items()
        if len(numbers) != 1 or stored[guest] != numbers
    ]


def unbooked_payments(house: House, evening: Evening) -> list[str]:
    """A payment that was acknowledged is booked, once."""
    rows = {row["order_number"]: row for row in house.rows(PAID, list(evening.paid))}
    found = []
    for number in evening.paid:
        row = rows.get(number)
        if row is None or (row["status"], row["payments"], row["sales"]) != ("paid", 1, 1):
            found.append(f"the payment of {number} was acknowledged: {row}")
    return found


def missing_tickets(evening: Evening, office: PostOffice) -> list[str]:
    have = Counter(mail.to for mail in office.tickets())
    return [f"{guest} paid and has no ticket" for guest in evening.paid.values() if not have[guest]]


def different_copies(mails: list[Received], copies: int) -> list[str]:
    """A mail that came twice is the same mail, with the same ticket; and no more came twice than may have."""
    same = defaultdict(list)
    for mail in mails:
        same[mail.about].append(mail)
    found = []
    for about, several in same.items():
        if len({mail.id for mail in several}) > 1:
            found.append(f"{about} came with several Message-IDs")
        if len({mail.ticket for mail in several}) > 1:
            found.append(f"{about} came with several tickets")
    surplus = len(mails) - len(same)
    return [*found, f"{surplus} mails came twice, {copies} may"] if surplus > copies else found


def leftovers(house: House) -> list[str]:
    """Rows that nobody will look after, and transactions that nobody will end."""
    given_up = [row["recipient_email"] for row in house.rows(GIVEN_UP)]
    counts = {
        "mails whose lease is over": house.value(STUCK_MAIL),
        "mails that are not sent": house.value(UNSENT),
        f"mails given up, to {given_up}": len(given_up),
        "payment notices that are not applied": house.value(STUCK_NOTICES),
        "forgotten transactions": house.value(FORGOTTEN_TRANSACTIONS),
    }
    return [f"{number} {what}" for what, number in counts.items() if number]


def shut_doors(house: House, evening: Evening, office: PostOffice) -> list[str]:
    """A ticket from the mails opens the door, once, at every server: they all work again."""
    found = []
    tickets = {mail.ticket for mail in office.tickets()}
    for address, ticket in zip(evening.addresses, sorted(tickets), strict=False):
        scans = [
            requests.post(f"{address}/api/checkin", json={"qr_code": ticket}, headers=house.staff, timeout=60)
            for _ in range(2)
        ]
        said = [(scan.status_code, scan.json().get("code")) for scan in scans]
        if said != [(200, None), (400, "ALREADY_CHECKED_IN")]:
            found.append(f"the door says {said}")
    return found if len(tickets) >= len(evening.addresses) else [*found, "too few tickets to try the doors"]
