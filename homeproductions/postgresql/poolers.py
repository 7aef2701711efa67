"""Whether PostgreSQL is reached directly, or through a program that lends its connections, such as PgBouncer."""

from typing import Any


def stands_before(database: Any) -> bool:
    """Whether another program than PostgreSQL lets this Django connection in.

    Whoever does that hands out the key that cancels statements, with the number of a process. A pooler cannot know then
    which process of PostgreSQL will get the statements, so it makes one up. What only passes bytes on (a tunnel,
    HAProxy) is not found and does no harm; a pooler that lends for whole sessions is found as well.
    """
    with database.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (process,) = cursor.fetchone()
    return bool(process != database.connection.info.backend_pid)
