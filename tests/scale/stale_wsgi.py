"""The application with a memory that lasts: the control of the tests that one server learns what another changed."""

from functools import cache

from django.conf import settings

from homeproductions.wsgi import application

from accounts import authentication  # isort: skip  (after the application is set up)

settings.MEMORY_SECONDS = 3600.0
authentication.user_of = cache(authentication.user_of)

__all__ = ["application"]
