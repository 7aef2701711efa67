"""What the worker loop does for accounts."""

from datetime import timedelta

from homeproductions import chores

from .services import sessions
from .session_store import SessionStore

chores.register("delete expired refresh tokens", timedelta(hours=1), sessions.delete_expired_tokens)
chores.register("delete expired admin sessions", timedelta(hours=1), SessionStore.clear_expired)
