"""The look at what is left after a fault sees what it is there to see: each kind of damage is done, and found."""

import re
from dataclasses import replace

import requests

from . import after
from .evening import ORDERS, WEBHOOK, Evening

GUESTS = 8
BOUNDARY = re.compile(rb'boundary="[^"]+"')


def test_every_kind_of_damage_is_found(house, post_office):
    with house.web() as server, house.worker():
        evening = Evening(house, server.address)
        for _ in range(GUESTS):
            evening.guest()
        after.settle(house)

        assert after.wrong(house, evening, post_office) == []  # the control of the controls
        assert (len(evening.numbers), len(evening.paid)) == (GUESTS, GUESTS / 2)
        for damage in DAMAGE:
            look, do, word = damage
            assert not any(word in line for line in look(house, evening, post_office)), word
            do(house, evening, post_office)
            assert any(word in line for line in look(house, evening, post_office)), word


# --- Damage --------------------------------------------------------------------------------------------------


def answers(house, evening, office):
    return after.unclean_answers(evening, lines_cut=0)


def books(house, evening, office):
    return after.books(house)


def orders(house, evening, office):
    return after.lost_or_doubled_orders(house, evening)


def payments(house, evening, office):
    return after.unbooked_payments(house, evening)


def tickets(house, evening, office):
    return after.missing_tickets(evening, office)


def copies(house, evening, office):
    return after.different_copies(office.mails, 0)


def leftovers(house, evening, office):
    return after.leftovers(house)


def answer(status, body, **headers):
    made = requests.Response()
    made.status_code, made._content = status, body
    made.headers.update({"Content-Type": "application/json", **headers})
    return made


def sold_seat_without_order(house, evening, office):
    house.execute("UPDATE ticket_tiers SET sold = sold + 1 WHERE id = %s", house.tier)


def lost_order(house, evening, office):
    evening.ordered["lost@example.org"].add("HP261123-00000000")


def second_order(house, evening, office):
    evening.ordered["guest1@example.org"].add("HP261123-00000001")


def lost_payment(house, evening, office):
    [unpaid, *_] = house.rows("SELECT order_number, buyer_email FROM orders WHERE status = 'pending'")
    evening.paid[unpaid["order_number"]] = unpaid["buyer_email"]


def lost_ticket(house, evening, office):
    office.mails.remove(office.tickets()[-1])


def second_copy(house, evening, office):
    office.mails.append(office.mails[0])


def copy_with_another_id(house, evening, office):
    content = office.mails[0].content.replace(b"Message-ID: <", b"Message-ID: <0")
    office.mails.append(replace(office.mails[0], content=content))


def copy_with_another_ticket(house, evening, office):
    first, second, *_ = office.tickets()
    head, body = first.content.partition(b"\r\n\r\n")[0], second.content.partition(b"\r\n\r\n")[2]
    mine, other = (BOUNDARY.search(mail.content)[0] for mail in (first, second))
    head = head.replace(mine, other)
    office.mails.append(replace(first, content=head + b"\r\n\r\n" + body))


def mail_held_too_long(house, evening, office):
    sql = "UPDATE email_outbox SET status = 'processing', attempts = 1, lease_until = now() - interval '1 minute'"
    house.execute(f"{sql} WHERE id = (SELECT id FROM email_outbox WHERE status = 'sent' LIMIT 1)")


def notice_left_alone(house, evening, office):
    house.execute(
        "UPDATE webhook_deliveries SET status = 'received' WHERE id = (SELECT id FROM webhook_deliveries LIMIT 1)"
    )


DAMAGE = [
    (answers, lambda h, e, o: e.note(ORDERS, answer(500, b'{"success": false, "code": "SERVER_ERROR"}')), "500"),
    (answers, lambda h, e, o: e.note(ORDERS, answer(503, b'{"success": false, "code": "UNAVAILABLE"}')), "Retry-After"),
    (answers, lambda h, e, o: e.note(WEBHOOK, answer(200, b'{"success": false}')), '{"success": false}'),
    (answers, lambda h, e, o: setattr(e, "broken", 1), "broke off"),
    (books, sold_seat_without_order, "orders hold"),
    (orders, lost_order, "lost@example.org"),
    (orders, second_order, "guest1@example.org"),
    (tickets, lost_ticket, "has no ticket"),
    (payments, lost_payment, "was acknowledged"),
    (copies, second_copy, "came twice"),
    (copies, copy_with_another_id, "Message-IDs"),
    (copies, copy_with_another_ticket, "several tickets"),
    (leftovers, mail_held_too_long, "lease is over"),
    (leftovers, notice_left_alone, "not applied"),
]
