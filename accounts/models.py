"""Staff who can sign in, and the refresh tokens of their sessions."""

import uuid
from collections.abc import Iterator
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils import timezone

from audit.services import record
from homeproductions.constraints import UUIDModel, created_at, one_of, touch_updated_at, updated_at

from .roles import Role, may


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A user with a lower-cased address. Without a password nobody can sign in until one is set."""
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, **{"role": Role.SUPERADMIN, "name": "Admin", **fields})

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=(username or "").strip().lower())


class User(UUIDModel, AbstractBaseUser):
    """Somebody of the house: at the door (staff), in the office (admin), or in charge (superadmin)."""

    email = models.EmailField(max_length=255, unique=True)
    password = models.CharField("password", max_length=255, db_column="password_hash")
    name = models.CharField(max_length=255)
    role = models.CharField(max_length=50, choices=Role.choices, default=Role.ADMIN)
    is_active = models.BooleanField(default=True)
    # Tokens carry the version they were issued under; raising it ends every session at once.
    token_version = models.PositiveIntegerField(default=1, editable=False)
    last_login = models.DateTimeField("last login", null=True, blank=True, db_column="last_login_at")
    created_at = created_at()
    updated_at = updated_at()

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    class Meta:
        db_table = "users"
        verbose_name = "staff user"
        ordering = ["email"]
        constraints = [
            one_of("role", Role, name="user_role_known"),
            models.CheckConstraint(name="user_email_lower_case", condition=Q(email=Lower("email"))),
        ]
        indexes = [models.Index(fields=["email"], name="user_active", condition=Q(is_active=True))]
        triggers = [touch_updated_at()]

    def __str__(self) -> str:
        return self.email

    def get_session_auth_hash(self) -> str:
        """Admin sessions end with the tokens, not only with the password."""
        return f"{super().get_session_auth_hash()}:{self.token_version}"

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        return (f"{each}:{self.token_version}" for each in super().get_session_auth_fallback_hash())

    def save(self, *args: Any, actor: "User | None" = None, **kwargs: Any) -> None:
        """A new password ends every session and is audited, whichever page or command sets it."""
        is_new_password = getattr(self, "_password", None) is not None and not self._state.adding
        with transaction.atomic():
            super().save(*args, **kwargs)
            if is_new_password:
                self.end_sessions()
                record("PASSWORD_CHANGE", self, actor=actor)

    def end_sessions(self) -> None:
        """Make every token and admin session of the user worthless from this moment on."""
        User.objects.filter(pk=self.pk).update(token_version=F("token_version") + 1)
        self.refresh_from_db(fields=["token_version"])
        self.refresh_tokens.filter(revoked_at__isnull=True).update(revoked_at=timezone.now())

    @property
    def is_staff(self) -> bool:
        """May open the admin site. What they may do there is up to their role."""
        return self.is_active

    @property
    def is_superuser(self) -> bool:
        return self.is_active and self.role == Role.SUPERADMIN

    def has_perm(self, perm: str, obj: models.Model | None = None) -> bool:
        """Django's question (`orders.view_order`), answered by the role alone."""
        return self.is_active and may(self.role, perm)

    def has_perms(self, perms: list[str], obj: models.Model | None = None) -> bool:
        return all(self.has_perm(perm, obj) for perm in perms)

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_active and may(self.role, f"{app_label}.")


class RefreshToken(UUIDModel):
    """One refresh token of a session (a family of tokens, each replacing the one before). Only its SHA-256 is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="refresh_tokens")
    family = models.UUIDField(default=uuid.uuid4, editable=False)
    token_hash = models.CharField(max_length=64, unique=True)
    created_at = created_at()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    ip_address = models.GenericIPAddressField(null=True)
    user_agent = models.TextField(null=True)

    class Meta:
        db_table = "refresh_tokens"
        constraints = [
            models.CheckConstraint(name="refresh_token_expires_later", condition=Q(expires_at__gt=F("created_at")))
        ]
        indexes = [
            models.Index(fields=["family"], name="refresh_token_family"),
            models.Index(fields=["expires_at"], name="refresh_token_expiry"),
        ]

    def __str__(self) -> str:
        return f"session {self.family}"
