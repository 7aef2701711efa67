from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "orders"
    verbose_name = "Orders"

    def ready(self) -> None:
        from . import alerts, chores, mails  # noqa: F401  (they register what the worker loop does)
