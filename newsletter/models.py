"""People who asked for news."""

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from homeproductions.constraints import UUIDModel, created_at, one_of


class SubscriberSource(models.TextChoices):
    WEBSITE = "website"  # they asked there
    IMPORT = "import"  # the office brought them


class SubscriberState(models.TextChoices):
    ACTIVE = "active", "on the list"
    WAITING = "waiting", "not confirmed yet"
    LEFT = "left", "left"


class Subscriber(UUIDModel):
    """An address and its consent. Inactive without `unsubscribed_at` means: asked, not confirmed yet."""

    Source = SubscriberSource
    State = SubscriberState
    email = models.CharField(max_length=255, unique=True)
    is_active = models.BooleanField(default=True)
    source = models.CharField(max_length=20, choices=Source.choices, default=Source.WEBSITE, db_default=Source.WEBSITE)
    # When they asked for what holds now, or were brought; confirming and leaving have moments of their own.
    subscribed_at = created_at()
    confirmed_at = models.DateTimeField(null=True, blank=True)
    unsubscribed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "newsletter_subscribers"
        ordering = ["-subscribed_at"]
        constraints = [
            models.CheckConstraint(name="subscriber_email_lower_case", condition=Q(email=Lower("email"))),
            one_of("source", SubscriberSource, name="subscriber_source_known"),
        ]
        indexes = [
            models.Index(fields=["-subscribed_at"], name="subscriber_newest", condition=Q(is_active=True)),
            models.Index(fields=["-subscribed_at", "-id"], name="subscriber_listed"),
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def state(self) -> str:
        if self.is_active:
            return SubscriberState.ACTIVE
        return SubscriberState.LEFT if self.unsubscribed_at else SubscriberState.WAITING

    @property
    def consent_at(self) -> datetime | None:
        """Since when somebody on the list wants our news, for all that we know."""
        if not self.is_active:
            return None
        return max(self.subscribed_at, self.confirmed_at or self.subscribed_at)
