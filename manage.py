#!/usr/bin/env python
"""The operator's entrance: `manage.py migrate`, `manage.py process_outbox`, `manage.py demo` and so on."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "homeproductions.settings")
    if sys.argv[1:2] in (["demo"], ["demo_pay"]):
        # The demo makes its own secrets and its own database, so they must exist before settings are read.
        from homeproductions.management.demo import environment

        environment.prepare(sys.argv[2:])
    stop_if_environment_is_incomplete()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


def stop_if_environment_is_incomplete() -> None:
    """Django hides this error behind another one for its own commands (`check`, `migrate`)."""
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured

    try:
        _ = settings.INSTALLED_APPS  # the first look reads the environment
    except ImproperlyConfigured as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
