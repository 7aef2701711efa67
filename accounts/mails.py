"""Mail to the people of the house: the link to set a password. It is made when the mail is sent; nothing secret lies
in the outbox, and whoever looks at the mail there does not see it."""

from datetime import timedelta

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse

from homeproductions.house import house
from homeproductions.mail.errors import NotWanted
from homeproductions.mail.models import EmailKind, OutboxEmail
from homeproductions.mail.registry import renders

from .models import User
from .services.passwords import LINK_TOKENS

NOT_SHOWN = "(only-in-the-mail-itself)"


def preview_link(email: OutboxEmail) -> EmailMultiAlternatives:
    """The mail without what makes its link work."""
    return _message(email, _user_of(email), NOT_SHOWN)


@renders(EmailKind.STAFF_INVITE, preview=preview_link)
@renders(EmailKind.STAFF_RESET, preview=preview_link)
def render_link(email: OutboxEmail) -> EmailMultiAlternatives:
    """A link to set a password. Raises NotWanted for somebody who may not sign in."""
    user = _user_of(email)
    return _message(email, user, LINK_TOKENS.make_token(user))


def _user_of(email: OutboxEmail) -> User:
    user = User.objects.filter(pk=email.context["user"], is_active=True).first()
    if user is None:
        raise NotWanted("the login was deactivated")
    return user


def _message(email: OutboxEmail, user: User, token: str) -> EmailMultiAlternatives:
    context = {
        **house(),
        "name": user.name,
        "role": user.get_role_display(),
        "is_invitation": email.email_type == EmailKind.STAFF_INVITE,
        "days": timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT).days,
        "link": settings.PUBLIC_URL + reverse("set-password", args=[user.pk, token]),
    }
    message = EmailMultiAlternatives(body=render_to_string("emails/staff_link.txt", context))
    message.attach_alternative(render_to_string("emails/staff_link.html", context), "text/html")
    return message
