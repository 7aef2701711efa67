from django.apps import AppConfig


class MailConfig(AppConfig):
    name = "homeproductions.mail"
    label = "mail"
    verbose_name = "Mail"

    def ready(self) -> None:
        from . import mails  # noqa: F401  (it registers what the worker renders)
