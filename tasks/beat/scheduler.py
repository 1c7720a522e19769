"""Beat's scheduler: Celery's own, but it rests between two ticks and sends them as our other messages are sent."""

from __future__ import annotations

import logging
from typing import Any

from celery.beat import Scheduler

from tasks.broker.publish import send_tick
from tasks.errors import BrokerUnavailable
from telemetry.metrics import declared

log = logging.getLogger(__name__)


class TickScheduler(Scheduler):
    """Ticks at fixed intervals need no memory: what was due while beat was away is done by its first tick."""

    def adjust(self, n: Any, drift: float = 0.0) -> Any:
        """How long to rest, in seconds. Celery's scheduler takes 10 ms off and spends them turning in its loop."""
        return n

    def apply_async(self, entry: Any, producer: object = None, advance: bool = True, **_options: Any) -> None:
        """Send the tick of one entry; one that the broker does not take is left out, the next is as good."""
        if advance:
            entry = self.reserve(entry)
        try:
            if send_tick(entry.task):
                declared.TICKS_SENT.labels(entry.task).inc()
        except BrokerUnavailable as error:
            log.warning("tick left out: %s", error)
