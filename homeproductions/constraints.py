"""Database rules that several tables share."""

import uuid

import pgtrigger
from django.db import models
from django.db.models.functions import Now


def one_of(field: str, choices: type[models.TextChoices], *, name: str) -> models.CheckConstraint:
    """The column holds one of the words of `choices`, whoever writes it."""
    return models.CheckConstraint(name=name, condition=models.Q(**{f"{field}__in": choices.values}))


def touch_updated_at() -> pgtrigger.Trigger:
    """Every change of a row stamps `updated_at`, also one made by a bulk update or by hand."""
    return pgtrigger.Trigger(
        name="touch_updated_at",
        when=pgtrigger.Before,
        operation=pgtrigger.Update,
        func="NEW.updated_at = now(); RETURN NEW;",
    )


class UUIDModel(models.Model):
    """A row with a random UUID (version 4) as its key, as the wire contract shows it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)

    class Meta:
        abstract = True


def created_at() -> models.DateTimeField:
    return models.DateTimeField(db_default=Now(), editable=False)


def updated_at() -> models.DateTimeField:
    return models.DateTimeField(db_default=Now(), editable=False)
