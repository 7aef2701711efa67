"""The application as one test after the other asks it: it remembers nothing of the one before."""

from django.conf import settings
from django.core.cache import caches

from homeproductions.wsgi import application

settings.MEMORY_SECONDS = 0
for name in ("default", "throttles"):
    caches.settings[name] = {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}

__all__ = ["application"]
