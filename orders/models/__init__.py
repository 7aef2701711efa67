"""What is always true of orders, the money for them, and who was let in.

Django finds the models of an app here. Each lies in the file of its table, with the words that it uses.
"""

from .cancellations import Cancellation
from .checkins import CheckIn, RefusedScan
from .deliveries import WebhookDelivery
from .idempotency import IdempotencyKey
from .journal import JournalEntry
from .orders import Order
from .payments import Payment

__all__ = [
    "Cancellation",
    "CheckIn",
    "IdempotencyKey",
    "JournalEntry",
    "Order",
    "Payment",
    "RefusedScan",
    "WebhookDelivery",
]
