from django.apps import AppConfig


class MailConfig(AppConfig):
    name = "homeproductions.mail"
    label = "mail"
    verbose_name = "Mail"
