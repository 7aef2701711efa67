"""The demo's logins."""

from accounts.models import User
from accounts.roles import Role

# Nobody owns an address below .example, so whoever finds this login has found the demo.
LOGINS = {
    "superadmin": ("superadmin@demo.example", "Xochitl Superadmin", Role.SUPERADMIN),
    "admin": ("admin@demo.example", "Andrea Admin", Role.ADMIN),
    "door": ("door@demo.example", "Diego Door", Role.STAFF),
}
MARK = LOGINS["superadmin"][0]


def make_staff(passwords: dict[str, str]) -> dict[str, User]:
    """The demo's logins with these passwords, also if they were made with others."""
    return {key: _make_login(*LOGINS[key], password) for key, password in passwords.items()}


def _make_login(email: str, name: str, role: str, password: str) -> User:
    user = User.objects.filter(email=email).first()
    if user is None:
        return User.objects.create_user(email, password, name=name, role=role)
    if not user.check_password(password):
        user.set_password(password)
        user.save(update_fields=["password"])
    return user
