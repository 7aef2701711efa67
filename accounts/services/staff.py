"""Who belongs to the house: invited, given a role, signed out, sent away and taken back. Nobody is ever deleted: the
history keeps pointing at them.

Superadmins alone do this, and never to themselves. So there is always one left: whoever takes the role away from the
others still has it, and two who take it from each other in the same moment wait for each other's lock.
"""

from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q

from accounts.errors import Forbidden, LoginExists, OwnAccount
from accounts.models import User
from accounts.roles import Role
from audit.services import record
from homeproductions.errors import Invalid, NotFound
from homeproductions.fields import NOT_AN_EMAIL, is_email
from homeproductions.mail import services as outbox
from homeproductions.mail.models import EmailKind, OutboxEmail

from .passwords import check_strength

SUBJECTS = {
    EmailKind.STAFF_INVITE: "Your login for the office",
    EmailKind.STAFF_RESET: "Set a new password",
}


def ensure_admin() -> bool:
    """Make the first superadmin from DEFAULT_ADMIN_*. True if one was made; an existing user is never changed.

    Raises Invalid when the address or the password will not do.
    """
    email, password = settings.DEFAULT_ADMIN_EMAIL.strip().lower(), settings.DEFAULT_ADMIN_PASSWORD
    if not email or not password or User.objects.filter(email=email).exists():
        return False
    if not is_email(email):
        raise Invalid("DEFAULT_ADMIN_EMAIL is not an e-mail address.")
    user = User(email=email, name="Admin", role=Role.SUPERADMIN)
    check_strength(password, user)
    with transaction.atomic():
        user.set_password(password)
        user.save()
        record("CREATE", user, new={"role": user.role})
    return True


def has_admin() -> bool:
    """Whether anybody can invite people and change settings."""
    return User.objects.filter(role=Role.SUPERADMIN, is_active=True).exists()


@transaction.atomic
def invite(*, email: str, name: str, role: str, actor: User) -> User:
    """A login without a password, and a mail with a link to set one. Raises Forbidden, Invalid or LoginExists."""
    email = email.strip().lower()
    if not is_email(email):
        raise Invalid(NOT_AN_EMAIL)
    _lock_superadmin(actor)
    user = User(email=email, name=name.strip(), role=role)
    user.set_unusable_password()
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError as error:
        raise LoginExists from error
    record("CREATE", user, actor=actor, new={"role": role})
    _queue_link(user)
    return user


@transaction.atomic
def send_link(user_id: UUID, *, actor: User, void_password: bool = False) -> User:
    """Mail a link to set a password. With `void_password` the old one and every session end at once.

    Raises NotFound, Forbidden, OwnAccount, or Invalid for somebody who may not sign in.
    """
    user = _lock(user_id, actor)
    if not user.is_active:
        raise Invalid("This login is deactivated. Reactivate it first.")
    if void_password:
        user.set_unusable_password()
        user.save(update_fields=["password"])
        user.end_sessions()
    record("PASSWORD_LINK_SENT", user, actor=actor, new={"old_password_works": user.has_usable_password()})
    _queue_link(user)
    return user


@transaction.atomic
def change_role(user_id: UUID, *, role: str, actor: User) -> User:
    """Give another role and end every session: tokens carry the old one. Raises NotFound, Forbidden, OwnAccount or
    Invalid."""
    user = _lock(user_id, actor)
    if role not in Role.values or role == user.role:
        raise Invalid(f"The role is {user.get_role_display()} already." if role == user.role else None)
    before, user.role = user.role, role
    user.save(update_fields=["role"])
    user.end_sessions()
    record("UPDATE", user, actor=actor, old={"role": before}, new={"role": role})
    return user


@transaction.atomic
def rename(user_id: UUID, *, name: str, actor: User) -> User:
    """Correct the name. Raises NotFound, Forbidden, OwnAccount or Invalid."""
    user = _lock(user_id, actor)
    if not name.strip():
        raise Invalid("A name is needed.")
    user.name = name.strip()
    user.save(update_fields=["name"])
    record("UPDATE", user, actor=actor, new={"changed": ["name"]})
    return user


@transaction.atomic
def deactivate(user_id: UUID, *, actor: User) -> User:
    """Let somebody in no more: sessions, tokens and links that were mailed end at once. What they did stays in the
    history. Raises NotFound, Forbidden, OwnAccount or Invalid."""
    return _switch(_lock(user_id, actor), actor, is_active=False)


@transaction.atomic
def reactivate(user_id: UUID, *, actor: User) -> User:
    """Let somebody in again, with the password they had. Raises NotFound, Forbidden, OwnAccount or Invalid."""
    return _switch(_lock(user_id, actor), actor, is_active=True)


@transaction.atomic
def sign_out(user_id: UUID, *, actor: User) -> User:
    """End somebody's sessions on all devices; their password stays. Raises NotFound, Forbidden or OwnAccount."""
    user = _lock(user_id, actor)
    user.end_sessions()
    record("LOGOUT", user, actor=actor)
    return user


def _switch(user: User, actor: User, *, is_active: bool) -> User:
    if user.is_active == is_active:
        raise Invalid("This login is active already." if is_active else "This login is deactivated already.")
    user.is_active = is_active
    user.save(update_fields=["is_active"])
    user.end_sessions()
    record("UPDATE", user, actor=actor, old={"is_active": not is_active}, new={"is_active": is_active})
    return user


def _queue_link(user: User) -> OutboxEmail:
    is_new = user.last_login is None and not user.has_usable_password()
    kind = EmailKind.STAFF_INVITE if is_new else EmailKind.STAFF_RESET
    return outbox.queue(kind, recipient=user.email, subject=SUBJECTS[kind], context={"user": str(user.pk)})


def _lock(user_id: UUID, actor: User) -> User:
    """Somebody else, locked together with all who are in charge. Raises NotFound, Forbidden or OwnAccount."""
    rows = _lock_superadmin(actor, Q(pk=user_id))
    if user_id == actor.pk:
        raise OwnAccount
    if user_id not in rows:
        raise NotFound("There is no such login.")
    return rows[user_id]


def _lock_superadmin(actor: User, others: Q | None = None) -> dict[UUID, User]:
    """All active superadmins and whoever else is asked for, locked in one order. Raises Forbidden unless the actor is
    still one of the former: somebody may have taken that away while we waited."""
    in_charge = Q(role=Role.SUPERADMIN, is_active=True)
    locked = User.objects.select_for_update(no_key=True).filter(in_charge | others if others else in_charge)
    rows = {user.pk: user for user in locked.order_by("pk")}
    if actor.pk not in rows or not rows[actor.pk].is_superuser:
        raise Forbidden
    return rows
