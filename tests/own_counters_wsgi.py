"""The application with its exact counters in each worker's own memory: the control of the rate-limit test."""

from django.core.cache import caches

from homeproductions.wsgi import application

caches.settings["rate-limits"] = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "own"}

__all__ = ["application"]
