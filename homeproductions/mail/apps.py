from django.apps import AppConfig


class MailConfig(AppConfig):
    name = "homeproductions.mail"
    label = "mail"
    verbose_name = "Mail"

    def ready(self) -> None:
        from . import heartbeat, mails  # noqa: F401  (they register a chore, and what the worker renders)
