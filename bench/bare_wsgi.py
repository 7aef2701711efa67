"""The ceiling of an answer: Django's own handler with no middleware and no database says the same bytes from memory.

`gunicorn bench.bare_wsgi` runs it. BENCH_ANSWERS names the file that bench/bare.py has written.
"""

import json
import os
from pathlib import Path

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import re_path

ANSWERS = json.loads(Path(os.environ["BENCH_ANSWERS"]).read_text(encoding="utf-8"))
BODIES = {address: answer["body"].encode() for address, answer in ANSWERS.items()}


def answer(request: HttpRequest) -> HttpResponse:
    _ = request.body  # whoever answers a POST has read it
    address = request.get_full_path()
    if address not in ANSWERS:
        return HttpResponse("up" if address == "/health" else "unknown", status=200 if address == "/health" else 404)
    known = ANSWERS[address]
    return HttpResponse(BODIES[address], status=known["status"], headers=known["headers"])


urlpatterns = [re_path("", answer)]

settings.configure(ALLOWED_HOSTS=["127.0.0.1"], MIDDLEWARE=[], ROOT_URLCONF=__name__, LOGGING_CONFIG=None)
application = get_wsgi_application()
