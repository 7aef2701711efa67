"""Nights and their ticket tiers."""

from datetime import datetime, time, timedelta

import pgtrigger
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, URLValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from homeproductions import days
from homeproductions.constraints import UUIDModel, created_at, one_of, touch_updated_at, updated_at

# Guests still buy at the door; after this the night is over, whatever its status says.
LONGEST_NIGHT = timedelta(hours=12)

web_address = URLValidator(schemes=["http", "https"])


class EventKind(models.TextChoices):
    PARTY = "party"
    FESTIVAL = "festival"
    GATHERING = "gathering"
    CONCERT = "concert"
    WORKSHOP = "workshop"


class EventStatus(models.TextChoices):
    DRAFT = "draft"
    ACTIVE = "active"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    DELETED = "deleted"


class Event(UUIDModel):
    """A night that can be sold. `event_date` and `event_time` are the clock on the wall of the venue."""

    Kind = EventKind
    Status = EventStatus
    name = models.CharField(max_length=255)
    slug = models.SlugField(max_length=255, unique=True, null=True, blank=True)
    location = models.CharField(max_length=255)
    venue = models.CharField(max_length=255, null=True, blank=True)
    event_date = models.DateField()
    event_time = models.TimeField(default=time(21, 0))
    end_time = models.TimeField(null=True, blank=True)
    description = models.TextField(null=True, blank=True)
    event_type = models.CharField(max_length=50, choices=Kind.choices, default=Kind.PARTY)
    main_artist = models.CharField(max_length=255, null=True, blank=True)
    artists = ArrayField(models.TextField(), null=True, blank=True)
    image_url = models.TextField(null=True, blank=True)
    cloudinary_public_id = models.CharField(max_length=255, null=True, blank=True)
    min_age = models.IntegerField(default=18, validators=[MinValueValidator(0)])
    status = models.CharField(max_length=50, choices=Status.choices, default=Status.DRAFT)
    is_featured = models.BooleanField(default=False)
    # Minutes an unpaid order holds its seats; empty: the `order_hold_minutes` setting, 0: for ever.
    hold_minutes = models.PositiveIntegerField(null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = created_at()
    updated_at = updated_at()

    class Meta:
        db_table = "events"
        ordering = ["-event_date", "-created_at"]
        constraints = [
            one_of("status", EventStatus, name="event_status_known"),
            one_of("event_type", EventKind, name="event_type_known"),
            models.CheckConstraint(name="event_min_age_not_negative", condition=Q(min_age__gte=0)),
        ]
        indexes = [
            models.Index(fields=["event_date", "-created_at"], name="event_on_sale", condition=Q(status="active")),
            models.Index(fields=["-event_date", "-created_at"], name="event_newest"),
        ]
        triggers = [
            touch_updated_at(),
            # Tiers are locked in the order of their keys, as everybody does who locks several.
            pgtrigger.Trigger(
                name="tell_tiers",
                when=pgtrigger.After,
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange("status", "event_date", "event_time"),
                func="""
                    PERFORM FROM ticket_tiers WHERE event_id = NEW.id ORDER BY id FOR NO KEY UPDATE;
                    UPDATE ticket_tiers SET night_version = night_version + 1 WHERE event_id = NEW.id;
                    RETURN NULL;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.event_date})"

    def clean(self) -> None:
        if self.event_date and not days.is_ours(self.event_date):
            raise ValidationError({"event_date": days.OUTSIDE})

    @property
    def is_off(self) -> bool:
        """It will not take place: nothing is sold for it, and its tickets admit nobody."""
        return self.status in (EventStatus.CANCELLED, EventStatus.DELETED)

    @property
    def starts_at(self) -> datetime:
        """The first minute of the night in the house's time zone."""
        return timezone.make_aware(datetime.combine(self.event_date, self.event_time))

    @property
    def is_over_at(self) -> datetime:
        return self.starts_at + LONGEST_NIGHT


class TicketTier(UUIDModel):
    """A kind of ticket of one night. Only `events.services.seats` writes `sold`."""

    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="tiers")
    name = models.CharField(max_length=255)
    description = models.TextField(null=True, blank=True)
    price = models.DecimalField(max_digits=10, decimal_places=2, validators=[MinValueValidator(0)])
    currency = models.CharField(max_length=3, default="USD")
    quantity = models.IntegerField(validators=[MinValueValidator(0)])
    sold = models.IntegerField(default=0, editable=False)
    max_per_order = models.IntegerField(default=10, validators=[MinValueValidator(1)])
    payment_link = models.TextField(null=True, blank=True)
    sort_order = models.IntegerField(default=0)
    is_active = models.BooleanField(default=True)
    sale_starts_at = models.DateTimeField(null=True, blank=True)
    sale_ends_at = models.DateTimeField(null=True, blank=True)
    # Raised by the database when the night's status, date or time changes. A sale waits for the tier alone, and so
    # cannot see what became of the night meanwhile but by this.
    night_version = models.IntegerField(default=0, db_default=0, editable=False)
    created_at = created_at()
    updated_at = updated_at()

    class Meta:
        db_table = "ticket_tiers"
        ordering = ["sort_order", "created_at"]
        constraints = [
            models.CheckConstraint(name="tier_sold_not_exceed_quantity", condition=Q(sold__lte=F("quantity"))),
            models.CheckConstraint(name="tier_sold_not_negative", condition=Q(sold__gte=0)),
            models.CheckConstraint(name="tier_quantity_not_negative", condition=Q(quantity__gte=0)),
            models.CheckConstraint(name="tier_price_not_negative", condition=Q(price__gte=0)),
            models.CheckConstraint(name="tier_max_per_order_positive", condition=Q(max_per_order__gt=0)),
            models.CheckConstraint(name="tier_currency_code", condition=Q(currency__regex="^[A-Z]{3}$")),
        ]
        indexes = [models.Index(fields=["event", "sort_order"], name="tier_of_event")]
        triggers = [touch_updated_at()]

    def __str__(self) -> str:
        return self.name

    def has_orders(self) -> bool:
        """Whether there are orders of it, whatever became of them."""
        return self.sold > 0 or self.orders.exists()

    @property
    def available(self) -> int:
        return self.quantity - self.sold

    def clean(self) -> None:
        # Forms leave `sold` out, so they skip the constraint that mentions it.
        if self.quantity is not None and 0 <= self.quantity < self.sold:
            raise ValidationError(
                {"quantity": f"{self.sold} are taken already (sold and held); the quantity cannot be lower."}
            )
        if self.sale_starts_at and self.sale_ends_at and self.sale_ends_at <= self.sale_starts_at:
            raise ValidationError({"sale_ends_at": "The sale must end after it starts."})
        for name in ("sale_starts_at", "sale_ends_at"):
            moment = getattr(self, name)
            if moment and not days.is_in_our_days(moment):
                raise ValidationError({name: days.OUTSIDE})
