"""The application, failing while it places an order if the buyer's country says so: with an error that quotes the
guest, or (what nobody may do) with a line in the log that does."""

import structlog
from django.db import connection

from homeproductions.wsgi import application

from orders.services import checkout  # isort: skip  (models need the application)

place_once = checkout.place_once


def fail(attempt, **wish):
    match wish.get("buyer_country"):
        case "value error":
            raise ValueError(f"cannot place {wish}")
        case "database error":
            with connection.cursor() as cursor:
                cursor.execute("SELECT %s::int", [f"{wish['buyer_name']} {wish['buyer_phone']}"])
        case "leak":
            structlog.get_logger("careless").warning(
                "cannot place", **{name: str(value) for name, value in wish.items()}
            )
    return place_once(attempt, **wish)


checkout.place_once = fail

__all__ = ["application"]
