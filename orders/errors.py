from homeproductions.errors import NotFound, Refused


class OrderNotFound(NotFound):
    code = "ORDER_NOT_FOUND"
    message = "There is no order with this number."


class OrderNotPending(Refused):
    code = "ORDER_NOT_PENDING"
    message = "This order was cancelled or refunded and can no longer be paid."


class CannotCancel(Refused):
    code = "CANNOT_CANCEL_NON_PENDING"
    message = "Only an order that is not paid yet can be cancelled. Refund a paid one instead."


class CannotRefund(Refused):
    code = "CANNOT_REFUND_NON_PAID"
    message = "Only a paid order can be refunded."


class AlreadyInside(Refused):
    code = "ALREADY_CHECKED_IN"
    message = (
        "The guest is already inside, so nothing was refunded. If you mean it, refund with `force`: "
        "the seats are then not sold again."
    )


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
