from django.apps import AppConfig


class HomeProductionsConfig(AppConfig):
    name = "homeproductions"
    verbose_name = "Home Productions"

    def ready(self) -> None:
        from . import checks  # noqa: F401  (registers the deployment checks)
