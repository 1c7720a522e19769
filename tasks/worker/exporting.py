"""Metrics of workers and beat: shared counts before the pool forks, and the port that shows them."""

from __future__ import annotations

import logging
from typing import Any

from celery.signals import beat_init, worker_init

from settings import SettingsError
from tasks.runtime import runtime
from tasks.worker.gauges import System
from telemetry.metrics.exporter import serve
from telemetry.metrics.showing import share_once

log = logging.getLogger(__name__)


@worker_init.connect
def export_worker(**_: Any) -> None:
    """Serve the metrics of this worker's processes, if METRICS_PORT is set.

    What is read from the store is left to others: the parent of a worker must not touch the database.
    """
    settings = runtime().settings
    if settings.metrics_port:
        try:
            share_once("worker", settings.metrics_dir)
        except SettingsError as error:
            # Celery logs every other exception of a signal's receiver, and goes on.
            raise SystemExit(str(error)) from error
        serve(settings.metrics_host, settings.metrics_port, token=settings.metrics_token)


@beat_init.connect
def export_beat(**_: Any) -> None:
    """Serve the metrics of beat and of the whole system, if METRICS_PORT is set."""
    settings = runtime().settings
    if settings.metrics_port:
        serve(settings.metrics_host, settings.metrics_port, token=settings.metrics_token, also=[System()])
