"""The application with one of its protections taken out, named by SPOILT: the control of the database tests.

`blunt`: a database that is away is a fault like any other. `stubborn`: a connection is kept although it is dead.
`slack`: Redis may not be away.
"""

import os

from django.db.backends.base.base import BaseDatabaseWrapper

from homeproductions import api
from homeproductions.wsgi import application

match os.environ["SPOILT"]:
    case "blunt":
        api.DATABASE_AWAY = ()
    case "stubborn":
        BaseDatabaseWrapper.close_if_unusable_or_obsolete = lambda self: None
        BaseDatabaseWrapper.close_if_health_check_failed = lambda self: None
    case "slack":
        from homeproductions import redis_counters

        redis_counters.RedisCounters._either = lambda self, operation, *arguments: getattr(self.redis, operation)(
            *arguments
        )

__all__ = ["application"]
