"""Who did what, when: rows that are only ever added."""

import pgtrigger
from django.conf import settings
from django.db import models

from homeproductions.constraints import UUIDModel, created_at


class AuditLog(UUIDModel):
    """One real change. Holds ids, field names and states, never a guest's name, address or phone."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="audit_logs"
    )
    action = models.CharField(max_length=100)
    entity_type = models.CharField(max_length=100)
    entity_id = models.UUIDField(null=True, blank=True)
    old_value = models.JSONField(null=True, blank=True)
    new_value = models.JSONField(null=True, blank=True)
    ip_address = models.GenericIPAddressField(null=True, blank=True)
    user_agent = models.TextField(null=True, blank=True)
    created_at = created_at()

    class Meta:
        db_table = "audit_logs"
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["-created_at"], name="audit_newest"),
            models.Index(fields=["entity_id", "-created_at"], name="audit_of_one"),
            models.Index(fields=["entity_type", "-created_at"], name="audit_of_type"),
            models.Index(fields=["action", "-created_at"], name="audit_action"),
        ]
        triggers = [
            pgtrigger.Protect(name="audit_append_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        what = self.action.replace("_", " ").capitalize()
        return f"{what}, {self.entity_type} {str(self.entity_id or '')[:8]}".strip(", ")
