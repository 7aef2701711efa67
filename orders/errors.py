from homeproductions.errors import NotFound, Refused


class OrderNotFound(NotFound):
    code = "ORDER_NOT_FOUND"
    message = "There is no order with this number."


class OrderNotPending(Refused):
    code = "ORDER_NOT_PENDING"
    message = "This order was cancelled or refunded and can no longer be paid."


class NotPaid(Refused):
    code = "NOT_PAID"
    message = "This order is not paid."


class AlreadyCheckedIn(Refused):
    code = "ALREADY_CHECKED_IN"
    message = "This ticket has already been used."


class WrongEvent(Refused):
    code = "WRONG_EVENT"
    message = "This ticket is for another event."


class EventOff(Refused):
    code = "EVENT_NOT_ACTIVE"
    message = "This event was cancelled; its tickets admit nobody."


class InvalidSignature(Refused):
    code = "INVALID_SIGNATURE"
    status = 401
    message = "The signature does not fit."


class LengthRequired(Refused):
    code = "LENGTH_REQUIRED"
    status = 411
    message = "Send a Content-Length."
