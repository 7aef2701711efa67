"""What gunicorn serves: `gunicorn homeproductions.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "homeproductions.settings")
application = get_wsgi_application()
# Every view is imported now, and not while the first guest waits.
_ = get_resolver().url_patterns
