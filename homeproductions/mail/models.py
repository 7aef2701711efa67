"""Mail that was promised in the transaction of its cause and is delivered later by the worker."""

from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models import Q
from django.db.models.functions import Upper
from django.utils import timezone

from homeproductions.constraints import UUIDModel, created_at, one_of

MAX_ATTEMPTS = 5


class EmailKind(models.TextChoices):
    TICKET = "ticket", "Ticket"
    CONFIRMATION = "confirmation", "Please pay"
    REMINDER = "reminder", "Reminder"
    REFUND = "refund", "Refunded"
    HOLD_EXPIRED = "hold_expired", "Hold expired"
    EVENT_OFF = "event_off", "Event cancelled"
    STAFF_ALERT = "staff_alert", "Money to look at (to staff)"
    STAFF_INVITE = "staff_invite", "Invitation (to staff)"
    STAFF_RESET = "staff_reset", "New password (to staff)"
    TEST = "test", "Test"


class EmailStatus(models.TextChoices):
    PENDING = "pending"  # due at `next_attempt_at`, also after a try that may be repeated
    PROCESSING = "processing"  # held by a worker until `lease_until`
    SENT = "sent"
    FAILED = "failed"  # final; a person may queue it again


class OutboxEmail(UUIDModel):
    """One mail to one address. Its text is rendered when it is sent, so nothing secret lies here."""

    Kind = EmailKind
    Status = EmailStatus
    OPEN = (Status.PENDING, Status.PROCESSING)

    # By name: mail imports no other app. Null for mail that belongs to no order.
    order = models.ForeignKey("orders.Order", null=True, blank=True, on_delete=models.PROTECT, related_name="emails")
    email_type = models.CharField(max_length=50)
    recipient_email = models.CharField(max_length=255)
    subject = models.CharField(max_length=500)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.PENDING)
    attempts = models.IntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    lease_until = models.DateTimeField(null=True, blank=True)
    last_attempt_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    error_message = models.TextField(null=True, blank=True)
    # When it was given up because nobody wants it any more. It then says `failed` as well, for want of a fifth word
    # on the wire, but nothing went wrong and it counts as no failure.
    closed_at = models.DateTimeField(null=True, blank=True)
    # What the renderer needs besides the order: ids and choices, no codes and no tokens.
    context = models.JSONField(default=dict, blank=True)
    created_at = created_at()

    class Meta:
        db_table = "email_outbox"
        verbose_name = "mail"
        verbose_name_plural = "mails in the outbox"
        ordering = ["-created_at"]
        constraints = [
            one_of("status", EmailStatus, name="email_status_known"),
            models.CheckConstraint(
                name="email_attempts_bounded", condition=Q(attempts__gte=0, attempts__lte=MAX_ATTEMPTS)
            ),
            models.CheckConstraint(
                name="email_closed_only_as_failed", condition=Q(closed_at=None) | Q(status=EmailStatus.FAILED)
            ),
            models.UniqueConstraint(
                fields=["order", "email_type"],
                condition=Q(status__in=["pending", "processing"]),
                name="unique_open_email_per_order_and_type",
            ),
        ]
        indexes = [
            models.Index(fields=["next_attempt_at"], name="email_due", condition=Q(status="pending")),
            models.Index(fields=["lease_until"], name="email_leased", condition=Q(status="processing")),
            models.Index(fields=["order", "-created_at"], name="email_of_order"),
            models.Index(fields=["status", "-created_at"], include=["closed_at"], name="email_by_status"),
            models.Index(fields=["-created_at"], name="email_newest"),
            models.Index(fields=["email_type", "-created_at"], name="email_by_kind"),
            # As `istartswith` and `iexact` ask for it.
            models.Index(OpClass(Upper("recipient_email"), "text_pattern_ops"), name="email_by_recipient"),
        ]

    def __str__(self) -> str:
        return f"{dict(EmailKind.choices).get(self.email_type, self.email_type)}, mail {str(self.id)[:8]}"

    @property
    def is_open(self) -> bool:
        """Still to be sent, or being sent."""
        return self.status in self.OPEN

    @property
    def has_failed(self) -> bool:
        """Given up although somebody wants it."""
        return self.status == self.Status.FAILED and self.closed_at is None


class WorkerHeartbeat(models.Model):
    """When a worker was last alive, by the database's clock: any of them in the row that all share, and each loop that
    goes on in a row of its own, named after its host and process."""

    OUTBOX = "outbox"  # the row that all share

    worker = models.CharField(max_length=50, primary_key=True)
    beat_at = models.DateTimeField()

    class Meta:
        db_table = "worker_heartbeat"

    def __str__(self) -> str:
        return f"{self.worker}, last alive {self.beat_at:%Y-%m-%d %H:%M:%S}"
