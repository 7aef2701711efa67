"""What the office takes away about the newsletter."""

from datetime import date

from import_export.resources import Resource

from homeproductions.office.exports import Table, column, newest_first, on_days

from . import queries


class SubscriberRows(Resource):
    email = column("email", "E-mail")
    state = column("state", "State")
    source = column("source", "Source")
    asked = column("subscribed_at", "Asked")
    consent = column("consent_at", "Consent")
    left = column("unsubscribed_at", "Left")


def subscribers(*, state: str = "", first_day: date | None = None, last_day: date | None = None) -> Table:
    """Who asked for news on these days, newest first; `state` is one of `queries.STATES`, empty: all."""
    chosen = queries.listed(state).filter(on_days("subscribed_at", first_day, last_day))
    return Table.of(SubscriberRows, newest_first(chosen, "subscribed_at"), chosen.count())
