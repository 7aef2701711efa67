"""What the worker loop does for accounts."""

from datetime import timedelta

from homeproductions import chores

from .services import sessions

chores.register("delete expired refresh tokens", timedelta(hours=1), sessions.delete_expired_tokens)
