"""People who asked for news."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from homeproductions.constraints import UUIDModel, created_at


class Subscriber(UUIDModel):
    """An address and its consent. Inactive without `unsubscribed_at` means: asked, not confirmed yet."""

    email = models.CharField(max_length=255, unique=True)
    is_active = models.BooleanField(default=True)
    subscribed_at = created_at()
    confirmed_at = models.DateTimeField(null=True, blank=True)
    unsubscribed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "newsletter_subscribers"
        ordering = ["-subscribed_at"]
        constraints = [models.CheckConstraint(name="subscriber_email_lower_case", condition=Q(email=Lower("email")))]
        indexes = [models.Index(fields=["-subscribed_at"], name="subscriber_newest", condition=Q(is_active=True))]

    def __str__(self) -> str:
        return str(self.id)
