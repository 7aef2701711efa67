"""The table of the exact rate limits (`counters.py`). It has no model: only the cache backend reads and writes it.

UNLOGGED: a count is worth nothing after a crash, and without the write-ahead log it costs half a millisecond. The
free space in each page lets a counter be updated in place.
"""

from django.db import migrations

CREATE = """
CREATE UNLOGGED TABLE rate_limit_counters (
    key text COLLATE "C" PRIMARY KEY,
    value bigint NOT NULL,
    expires double precision NOT NULL
) WITH (fillfactor = 50);
COMMENT ON COLUMN rate_limit_counters.expires IS 'Unix seconds by the clock of the web servers';
"""


class Migration(migrations.Migration):
    dependencies = [("homeproductions", "0001_seed_settings")]
    operations = [migrations.RunSQL(CREATE, "DROP TABLE rate_limit_counters")]
