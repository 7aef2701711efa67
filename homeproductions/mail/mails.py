"""The one mail that is about nothing but mail."""

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation

from homeproductions.house import house

from .models import EmailKind, OutboxEmail
from .registry import renders


@renders(EmailKind.TEST)
def render_test(email: OutboxEmail) -> EmailMultiAlternatives:
    """Proof that mail arrives, with the times that tell how long it took."""
    context = {
        **house(),
        "asked": timezone.localtime(email.created_at),
        "sent": timezone.localtime(),
        "link": settings.PUBLIC_URL + reverse("admin:mail_outboxemail_change", args=[email.pk]),
    }
    # The text is English, so the names of months must be, whatever language the process speaks.
    with translation.override("en"):
        message = EmailMultiAlternatives(body=render_to_string("emails/test.txt", context))
        message.attach_alternative(render_to_string("emails/test.html", context), "text/html")
    return message
