"""How the web server runs, in production (Procfile) and in the demo alike."""

import gc
import os
import sys
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from homeproductions import environment

# Said once, before any worker starts; each of them would say it again.
try:
    environment.load()
except ImproperlyConfigured as fault:
    sys.exit(str(fault))

# The host chooses the port, and its edge comes in from another address than loopback.
bind = f"0.0.0.0:{os.environ.get('PORT', '').strip() or 8080}"

# Most of a request is waiting for PostgreSQL: threads fill that time, processes use the second core.
workers = int(os.environ.get("WEB_CONCURRENCY", "").strip() or 3)
worker_class = "homeproductions.workers.FairWorker"
threads = int(os.environ.get("WEB_THREADS", "").strip() or 4)
# Read once and shared by all workers, which halves their memory and starts each at once. No connection is open yet.
preload_app = True

# Opening a connection costs more than most answers, so it is kept, but not for long: a few clients
# that stay connected could otherwise all sit on one worker while the others idle.
keepalive = 5

# A worker that says nothing for this long is stuck and replaced.
timeout = 30
# What is being sold when a new release arrives is finished; hosts kill after 30 seconds.
graceful_timeout = 20

# A leak in any library stays small. Spread, so that the workers do not all restart in the same moment of a sale.
max_requests = 20_000
max_requests_jitter = 2_000

# Far above any request of ours, far below what would tie up memory.
limit_request_line = 4094
limit_request_fields = 64
limit_request_field_size = 8190

# The C parser comes with gunicorn[fast]; without it we would rather not start than be slow unnoticed.
http_parser = "fast"

# Heartbeats go to a file; on a busy disk a worker would wait for it and be taken for stuck.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 (a file there has no name)

# The application writes one line per request itself, without personal data.
accesslog = None
errorlog = "-"
logger_class = "homeproductions.server_log.JsonLog"

# A remote control nobody here uses, in the home folder of an account that may have none.
control_socket_disable = True


def when_ready(server: object) -> None:
    """What is read stays shared: the collector would write into every page of it, and each worker keep its own."""
    gc.freeze()
