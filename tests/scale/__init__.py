"""Several web servers and workers on one PostgreSQL, behind a proxy and a pooler."""
