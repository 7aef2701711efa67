"""Where the settings that staff may change are kept."""

from typing import Any

from constance import settings
from constance.backends.database import DatabaseBackend


class StoredSettings(DatabaseBackend):
    """constance's own table, but that looking at a setting which nobody has changed does not store it. Its own would:
    inside a sale's transaction, where all other sales would wait for that row."""

    def get(self, key: str) -> Any:
        value = super().get(key)
        return settings.CONFIG[key][0] if value is None else value
