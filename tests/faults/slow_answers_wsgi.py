"""The application, taking a while between an order that is committed and its answer: whoever kills a worker then leaves
guests who have an order and do not know."""

import time

from homeproductions.wsgi import application

from orders.services import checkout  # isort: skip  (models need the application)

place_once = checkout.place_once


def place_and_wait(*args, **wish):
    placed = place_once(*args, **wish)
    time.sleep(0.3)
    return placed


checkout.place_once = place_and_wait

__all__ = ["application"]
