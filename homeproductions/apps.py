from django.apps import AppConfig


class HomeProductionsConfig(AppConfig):
    name = "homeproductions"
    verbose_name = "Home Productions"

    def ready(self) -> None:
        from django.conf import settings

        from . import checks, counters, sentry  # noqa: F401  (they register the deployment checks and a chore)
        from .postgresql.moments import read_moments_quickly

        read_moments_quickly()
        if settings.SENTRY_DSN:
            sentry.start(settings.SENTRY_DSN)
