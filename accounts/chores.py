"""What the worker loop does for accounts."""

from datetime import timedelta

from homeproductions import chores

from . import services

chores.register("delete expired refresh tokens", timedelta(hours=1), services.delete_expired_tokens)
