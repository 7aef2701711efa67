"""The mails of the newsletter, rendered by the worker."""

from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from homeproductions.house import house
from homeproductions.mail.errors import NotWanted
from homeproductions.mail.models import OutboxEmail
from homeproductions.mail.registry import renders

from . import links, queries, services
from .models import Subscriber


@renders(services.CONFIRMATION)
def render_confirmation(email: OutboxEmail) -> EmailMultiAlternatives:
    """The link to confirm. Raises NotWanted when it would confirm nothing any more."""
    subscriber = _subscriber_of(email)
    if subscriber.is_active:
        raise NotWanted("the subscriber is on the list already")
    if not queries.can_confirm(subscriber, email.created_at):
        raise NotWanted("the link in it would not work any more")
    return newsletter_mail("newsletter_confirmation", subscriber, links.confirm_url(subscriber.pk, email.created_at))


@renders(services.FAREWELL)
def render_farewell(email: OutboxEmail) -> EmailMultiAlternatives:
    """The link to unsubscribe. Raises NotWanted when there is nothing to leave."""
    subscriber = _subscriber_of(email)
    if not subscriber.is_active:
        raise NotWanted("the subscriber is not on the list")
    return newsletter_mail("newsletter_unsubscribe", subscriber, links.unsubscribe_url(subscriber.pk))


def newsletter_mail(template: str, subscriber: Subscriber, link: str) -> EmailMultiAlternatives:
    """A mail from `templates/emails/`, with what lets a mail program offer its own unsubscribe button (RFC 8058)."""
    way_out = links.unsubscribe_url(subscriber.pk)
    context = {
        **house(),
        "link": link,
        "unsubscribe_link": way_out,
    }
    message = EmailMultiAlternatives(
        body=render_to_string(f"emails/{template}.txt", context),
        headers={"List-Unsubscribe": f"<{way_out}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"},
    )
    message.attach_alternative(render_to_string(f"emails/{template}.html", context), "text/html")
    return message


def _subscriber_of(email: OutboxEmail) -> Subscriber:
    subscriber = Subscriber.objects.filter(pk=email.context["subscriber"]).first()
    if subscriber is None:
        raise NotWanted("the subscriber is gone")
    return subscriber
