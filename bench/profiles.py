"""The profiles: what is asked of the server, and what its rate is held against."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from . import door, orders, outbox, reads, stampede, webhook
from .house import House, Sides
from .season import TIERS


@dataclass(frozen=True)
class Profile:
    """A row of the table. `reach` is what its ratio to the ceiling must come to, None where nothing is asked;
    `most_rounds` keeps the long ones from taking all the time."""

    name: str
    title: str
    against: str
    reach: float | None
    open: Callable[[House], AbstractContextManager[Sides]]
    most_rounds: int = 100


PROFILES = (
    Profile("events", "GET /api/events", "bare", 0.6, reads.events),
    Profile("event", "GET /api/events/:id", "bare", 0.6, reads.event),
    Profile("order", "GET /api/orders/:number", "bare", 0.5, reads.order),
    Profile("hot", "POST /api/orders, one hot tier", "pgbench", 0.65, lambda h: orders.ordering(h, 1, 1)),
    Profile("spread", "POST /api/orders, 80 tiers", "pgbench", 0.25, lambda h: orders.ordering(h, 1, TIERS)),
    Profile("sold-out", "POST /api/orders, sold out", "bare", 0.5, orders.sold_out),
    Profile("limits", "POST /api/orders, 80 tiers, limits on", "limits off", None, orders.limited, most_rounds=3),
    Profile("checkin", "POST /api/checkin", "pgbench", 0.35, door.letting_in),
    Profile("checkin-again", "POST /api/checkin, already in", "bare", 0.3, door.inside_already),
    Profile("admin-orders", "GET /api/admin/orders, page of 50", "bare", 0.07, reads.admin_orders),
    Profile("admin-size", "the same page", "of 1000 orders", 0.8, reads.admin_orders_of_few),
    Profile("stampede", "GET /api/events in a stampede", "alone", 0.5, stampede.stampede, most_rounds=3),
    Profile("webhook", "POST /api/webhook/payment", "pgbench", 0.3, webhook.paying),
    Profile("outbox", "2000 ticket mails, 1 worker", "smtplib", 0.5, outbox.one_worker, most_rounds=3),
    Profile("outbox-4", "2000 ticket mails, 4 workers", "1 worker", 2.5, outbox.four_workers, most_rounds=3),
)
