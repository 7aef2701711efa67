from homeproductions.errors import NotFound, Refused


class EventNotFound(NotFound):
    code = "EVENT_NOT_FOUND"
    message = "There is no such event."


class TierNotFound(NotFound):
    code = "TIER_NOT_FOUND"
    message = "There is no such ticket for this event."


class EventNotActive(Refused):
    code = "EVENT_NOT_ACTIVE"
    message = "Tickets for this event are not on sale."


class TierNotActive(Refused):
    code = "TIER_NOT_ACTIVE"
    message = "This ticket is not on sale."


class SaleNotStarted(Refused):
    code = "SALE_NOT_STARTED"
    message = "The sale of this ticket has not started yet."


class SaleEnded(Refused):
    code = "SALE_ENDED"
    message = "The sale of this ticket has ended."


class SoldOut(Refused):
    code = "SOLD_OUT"
    message = "Not enough tickets left."


class WrongEventStatus(Refused):
    code = "WRONG_EVENT_STATUS"
    message = "This cannot be done with the night as it is now."
