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
    message = "The guest is already inside. Refund anyway with `force`; the seats are then not sold again."


class KeyReused(Refused):
    code = "IDEMPOTENCY_KEY_REUSED"
    status = 422
    message = "This Idempotency-Key came with another order before. Use a new one for each order."


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


class PaymentNotFound(NotFound):
    code = "PAYMENT_NOT_FOUND"
    message = "There is no payment with this id."


class AlreadyReviewed(Refused):
    code = "ALREADY_REVIEWED"
    message = "This payment does not wait for anybody; it was settled already."


class AmountDiffers(Refused):
    code = "AMOUNT_DIFFERS"
    message = "The amount or the currency is not what the order costs."


class WrongKind(Refused):
    code = "WRONG_PAYMENT_KIND"
    message = "This cannot be done with a payment of this kind."


class NoAddress(Refused):
    code = "NO_EMAIL_ADDRESS"
    message = "The guest of this order left no e-mail address. Give one, or show the ticket on the screen."


class GuestForgotten(Refused):
    code = "GUEST_FORGOTTEN"
    message = "The guest of this order was forgotten: it keeps no address any more. Show the ticket on the screen."


class MailLeaving(Refused):
    code = "EMAIL_LEAVING"
    message = "A mail with the ticket is leaving at this very moment. Try again in a minute."


class TooManyPeople(Refused):
    code = "TOO_MANY_PEOPLE"
    message = "That is more people than this order admits."
