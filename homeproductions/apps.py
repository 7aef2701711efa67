from django.apps import AppConfig


class HomeProductionsConfig(AppConfig):
    name = "homeproductions"
    verbose_name = "Home Productions"

    def ready(self) -> None:
        from . import checks, counters  # noqa: F401  (they register the deployment checks and a chore)
        from .postgresql.moments import read_moments_quickly

        read_moments_quickly()
