"""gunicorn's settings: `gunicorn -c app/gunicorn.py 'app:create_app()'`."""

from __future__ import annotations

import logging
import signal
from types import FrameType
from typing import Any

from gunicorn.http import wsgi

from settings import settings_or_exit
from telemetry import tracing
from telemetry.logs.configuring import configure_logging
from telemetry.metrics.showing import share_once

log = logging.getLogger(__name__)

_settings = settings_or_exit()
configure_logging(_settings)

#: threads kept free for short requests (health checks, polls, refusals) while all others wait or stream
SPARE_THREADS = 64

# Hide the name and version of the server. gunicorn has no setting for the `Server` header.
wsgi.SERVER = "celery-camunda"

bind = f"{_settings.web_host}:{_settings.web_port}"
workers = _settings.web_workers
# gunicorn's log lines get the format of all other lines.
logger_class = "telemetry.logs.web.WebLog"
# gthread, with deadlines for slow clients
worker_class = "app.web_worker.WebWorker"
threads = _settings.max_waiting_requests + _settings.max_streams + SPARE_THREADS
# connections that a thread serves, and as many idle kept-alive ones
worker_connections = threads * 2
backlog = 2048
keepalive = 75
graceful_timeout = _settings.web_grace_s
# seconds without a heartbeat after which a worker is killed; the main loop sends it, also while all threads wait
timeout = 60
# bytes of the request line, and number of headers
limit_request_line = 8190
limit_request_fields = 100
control_socket_disable = True


def on_starting(_server: Any) -> None:
    """Before the fork: set up the shared directory, so that any web process can serve the metrics of all."""
    share_once("web", _settings.metrics_dir)


def post_worker_init(worker: Any) -> None:
    """Log which database is used. At SIGTERM, end streams and answer waiting requests within the grace period."""
    # A late import keeps the tasks out of the memory of the process that forks the workers.
    from tasks.runtime import runtime  # noqa: PLC0415

    log.info("database: %s", runtime().database.described)
    stop = signal.getsignal(signal.SIGTERM)

    def terminate(number: int, frame: FrameType | None) -> None:
        services = worker.wsgi.extensions["services"]
        services.streams.stop()
        services.waiters.close_within(_settings.web_grace_s)
        if callable(stop):
            stop(number, frame)

    signal.signal(signal.SIGTERM, terminate)


def worker_exit(_server: Any, _worker: Any) -> None:
    """Export the spans that are still queued."""
    tracing.flush()
