"""Sessions of the admin site, in the database under a hash of their key: whoever reads a copy of the table cannot make
a cookie of what stands in it."""

import hashlib
from typing import Any

from django.contrib.sessions.backends import db
from django.utils import timezone


class SessionStore(db.SessionStore):
    """Django's own, but for the column that holds the key. (Of the same name: it is part of what is signed.)"""

    def _get_session_from_db(self) -> Any:
        found = self.model.objects.filter(session_key=stored(self.session_key), expire_date__gt=timezone.now())
        session = found.first()
        if session is None:
            self._session_key = None
        return session

    def exists(self, session_key: str) -> bool:
        return super().exists(stored(session_key))

    def create_model_instance(self, data: Any) -> Any:
        row = super().create_model_instance(data)
        row.session_key = stored(row.session_key)
        return row

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key is not None:
            super().delete(stored(key))


def stored(session_key: str | None) -> str:
    """What the table knows the session by: as long as its column."""
    return hashlib.sha256((session_key or "").encode()).hexdigest()[:40]
