from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Staff"

    def ready(self) -> None:
        from . import admin_sign_in, chores, mails  # noqa: F401  (they register themselves)
