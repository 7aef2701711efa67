"""Who may do what. The one place where roles are compared."""

from django.db import models


class Role(models.TextChoices):
    SUPERADMIN = "superadmin", "Super admin"
    ADMIN = "admin", "Admin"
    STAFF = "staff", "Door staff"


OFFICE = frozenset({Role.ADMIN, Role.SUPERADMIN})

# What door staff see and do in Django admin; all else is for the office. Words like `check_in` are ours: a step asks
# for a permission by name, and nothing has to be stored for it.
STAFF_PERMISSIONS = frozenset(
    {
        "events.view_event",
        "events.view_tickettier",
        "orders.view_order",
        "orders.view_checkin",
        "orders.check_in",
        "events.",
        "orders.",
    }
)
# Users and settings are for superadmins alone.
SUPERADMIN_APPS = ("accounts.", "constance.")


def is_office(role: str) -> bool:
    return role in OFFICE


def may(role: str, permission: str) -> bool:
    """Whether a role holds Django's permission `app.verb_model` (or touches an app at all: `app.`)."""
    if role == Role.SUPERADMIN:
        return True
    if role == Role.ADMIN:
        return not permission.startswith(SUPERADMIN_APPS)
    return role == Role.STAFF and permission in STAFF_PERMISSIONS
