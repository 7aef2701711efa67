"""A release that is one migration ahead of this one: it changes a table that sales need."""
