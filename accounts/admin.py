"""The office's screen for staff users: superadmins alone, and everything goes through `services.staff`."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from homeproductions.mail.backends import is_configured
from homeproductions.office.fields import EmailAddress, Line
from homeproductions.office.screens import ReadOnly
from homeproductions.office.steps import Done, Step

from .models import User
from .roles import Role
from .services import staff

CHANGE = "accounts.change_user"
WHAT_ROLES_MAY = (
    "Door staff see events, orders and the door list, and check guests in. Admins do everything in the office except "
    "logins and settings. Super admins do everything."
)
MAIL_WAITS = "Mail is not set up on this server: the mail waits in the outbox until it is."

# --- What a person may decide --------------------------------------------------------------------------------


class NameForm(forms.Form):
    name = Line(max_length=255)


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices, help_text=WHAT_ROLES_MAY)


class InviteForm(NameForm, RoleForm):
    email = EmailAddress(max_length=255, label="E-mail address", help_text="It is the login as well.")

    field_order = ("email", "name", "role")


class LinkForm(forms.Form):
    void_password = forms.BooleanField(
        required=False,
        label="Stop the old password",
        help_text="At once, and sign them out everywhere: after a lost phone, or when somebody else may know it.",
    )


def invite(row: None, data: dict[str, Any], actor: User) -> Done:
    user = staff.invite(email=data["email"], name=data["name"], role=data["role"], actor=actor)
    return Done(f"{user.name} is invited; the link is on its way to {user.email}.", _page(user))


def send_link(user: User, data: dict[str, Any], actor: User) -> str:
    staff.send_link(user.pk, actor=actor, void_password=data["void_password"])
    return f"The link is on its way to {user.email}."


def change_role(user: User, data: dict[str, Any], actor: User) -> str:
    changed = staff.change_role(user.pk, role=data["role"], actor=actor)
    return f"{user.name} is {changed.get_role_display()} now and has to sign in again."


def rename(user: User, data: dict[str, Any], actor: User) -> str:
    return f"The name is {staff.rename(user.pk, name=data['name'], actor=actor).name} now."


def deactivate(user: User, data: dict[str, Any], actor: User) -> str:
    staff.deactivate(user.pk, actor=actor)
    return f"{user.name} can sign in no more."


def reactivate(user: User, data: dict[str, Any], actor: User) -> str:
    staff.reactivate(user.pk, actor=actor)
    return f"{user.name} can sign in again."


def sign_out(user: User, data: dict[str, Any], actor: User) -> str:
    staff.sign_out(user.pk, actor=actor)
    return f"{user.name} is signed out everywhere."


def said(*lines: str) -> Callable[[User], list[str]]:
    """Who it is about, then what the step does."""
    return lambda user: [f"{user.name}, {user.email}, {user.get_role_display()}.", *lines]


def by_mail(*lines: str) -> list[str]:
    return [*lines] if is_configured() else [*lines, MAIL_WAITS]


def is_active(user: User) -> bool:
    return user.is_active


INVITE = Step(
    "invite",
    "Invite somebody",
    CHANGE,
    invite,
    lambda row: by_mail("They get a mail with a link to choose a password. Nobody else ever knows it."),
    InviteForm,
    initial=lambda row: {"role": Role.STAFF},
)
STEPS = (
    Step(
        "send-link",
        "Mail a link to set a password",
        CHANGE,
        send_link,
        lambda user: by_mail(
            *said("The link works once. Until they have set a new password, the old one goes on working.")(user)
        ),
        LinkForm,
        fits=is_active,
    ),
    Step(
        "change-role",
        "Change the role",
        CHANGE,
        change_role,
        said("They are signed out everywhere and find their new screens at the next sign-in."),
        RoleForm,
        initial=lambda user: {"role": user.role},
        fits=is_active,
    ),
    Step(
        "rename",
        "Correct the name",
        CHANGE,
        rename,
        said("The address stays: for another one, invite it and deactivate this login."),
        NameForm,
        initial=lambda user: {"name": user.name},
    ),
    Step(
        "sign-out",
        "Sign out everywhere",
        CHANGE,
        sign_out,
        said("All their sessions end, on all phones and computers. The password stays as it is."),
        fits=is_active,
    ),
    Step(
        "deactivate",
        "Deactivate",
        CHANGE,
        deactivate,
        said(
            "They are signed out everywhere at once and can sign in no more. What they did stays in the history; the "
            "login can be reactivated."
        ),
        fits=is_active,
        is_danger=True,
    ),
    Step(
        "reactivate",
        "Reactivate",
        CHANGE,
        reactivate,
        said("They can sign in again, with the password and the role they had."),
        fits=lambda user: not user.is_active,
    ),
)

# --- Screen --------------------------------------------------------------------------------------------------


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("active", "Active"), ("deactivated", "Deactivated")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        if not self.value():
            return queryset
        known = ("active", "deactivated")
        return queryset.filter(is_active=self.value() == "active") if self.value() in known else queryset.none()


@admin.register(User)
class UserAdmin(ReadOnly):
    steps = STEPS
    list_steps = (INVITE,)
    list_display = ("name", "email", "role", "state", "last_login")
    list_filter = (StateFilter, "role")
    search_fields = ("name", "email")
    sortable_by = ()
    ordering = ("-is_active", "name", "email")
    fields = ("name", "email", "role", "state", "last_login", "open_sessions", "created_at")

    class Media:
        css = {"all": ["office/records.css"]}

    def offered(self, request: HttpRequest, row: Any) -> list[dict[str, Any]]:
        """None for one's own login: the service would refuse each."""
        is_own = row is not None and row.pk == request.user.pk
        return [] if is_own else super().offered(request, row)

    def as_it_is(self, row: Any) -> str:
        return f"{row.name} is {self.state(row)}" + ("" if row.is_active else ": reactivate the login first")

    @admin.display
    def state(self, user: User) -> str:
        if not user.is_active:
            return "deactivated"
        return "active" if user.has_usable_password() else "has no password yet"

    @admin.display(description="Signed in on phones and apps")
    def open_sessions(self, user: User) -> int:
        alive = user.refresh_tokens.filter(used_at=None, revoked_at=None, expires_at__gt=timezone.now())
        return alive.count()


def _page(user: User) -> str:
    return reverse("admin:accounts_user_change", args=[user.pk])
