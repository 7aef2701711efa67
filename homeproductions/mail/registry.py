"""Who writes which kind of mail. Each app registers its own kinds, so that this app needs to know none of them."""

from collections.abc import Callable

from django.core.mail import EmailMultiAlternatives

from .models import OutboxEmail

Renderer = Callable[[OutboxEmail], EmailMultiAlternatives]

RENDERERS: dict[str, Renderer] = {}
# What the office is shown of a mail whose text holds what only its recipient may have.
PREVIEWS: dict[str, Renderer] = {}


def renders(kind: str, *, preview: Renderer | None = None) -> Callable[[Renderer], Renderer]:
    """Register a function that fills in text and attachments of one kind of mail, and another for looking at it if
    the text itself is not for everybody in the office.

    The outbox adds sender, recipient and subject. The function may raise NotWanted; anything else it raises counts
    as a failure that is tried again.
    """

    def register(function: Renderer) -> Renderer:
        if kind in RENDERERS:
            raise ValueError(f"two functions render {kind!r}")
        RENDERERS[kind] = function
        if preview is not None:
            PREVIEWS[kind] = preview
        return function

    return register


def render(email: OutboxEmail, *, is_preview: bool = False) -> EmailMultiAlternatives:
    """The message without its addresses. Raises LookupError for a kind that nobody renders."""
    if email.email_type not in RENDERERS:
        raise LookupError(f"no function renders mail of kind {email.email_type!r}")
    function = RENDERERS[email.email_type]
    return (PREVIEWS.get(email.email_type, function) if is_preview else function)(email)
