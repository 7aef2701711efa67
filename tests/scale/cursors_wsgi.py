"""The application reading through cursors that outlive a transaction: a control of the test behind PgBouncer."""

from django.db import connections

from homeproductions.wsgi import application

connections.settings["default"]["DISABLE_SERVER_SIDE_CURSORS"] = False

__all__ = ["application"]
