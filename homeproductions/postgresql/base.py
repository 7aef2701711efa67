"""Django's PostgreSQL backend, with one thing changed: how it finds out whether a kept connection still works.

Asking the server, as Django does, is a round trip before each request. A server that stops or restarts hangs up, and
that is seen on the socket for nothing. That bought a tenth of the time of an order.
"""

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    def is_usable(self) -> bool:
        if self.connection is None or self.connection.closed:
            return False
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN | select.POLLERR | select.POLLHUP)
        # Something to read although nothing was asked: a farewell, or news that do not matter.
        return not poll.poll(0) or super().is_usable()
