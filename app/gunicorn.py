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

#: threads beside those that wait or stream: health checks, polls and quick refusals are answered however many do
SPARE_THREADS = 64

# Which server this is, is nobody's business; its settings cannot say so.
wsgi.SERVER = "celery-camunda"

bind = f"{_settings.web_host}:{_settings.web_port}"
workers = _settings.web_workers
# its lines among all others, in the same form
logger_class = "telemetry.logs.web.WebLog"
# gthread, with bounds on slow clients
worker_class = "app.web_worker.WebWorker"
threads = _settings.max_waiting_requests + _settings.max_streams + SPARE_THREADS
# connections: the threads', and kept-alive ones between two requests
worker_connections = threads * 2
backlog = 2048
keepalive = 75
graceful_timeout = _settings.web_grace_s
# The worker's main loop says that it lives, however long its threads wait.
timeout = 60
# Every header and the first line of a request in reasonable bounds
limit_request_line = 8190
limit_request_fields = 100
control_socket_disable = True


def on_starting(_server: Any) -> None:
    """Before the web processes are forked: whichever of them is asked for metrics answers for all."""
    share_once("web", _settings.metrics_dir)


def post_worker_init(worker: Any) -> None:
    """Say which database is used; at SIGTERM, end streams, and let waiting requests be answered in time."""
    # The tasks belong to the workers, not to the process that forks them.
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
    """Send the traces that are still queued."""
    tracing.flush()
