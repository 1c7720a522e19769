"""The gate of the starts queue: while the system is full or the engine away, accepted starts stay in their queue.

A worker that does not read the queue costs nothing, and a start that is not read cannot fail.
"""

from __future__ import annotations

import logging
from typing import Any

import redis

from tasks.broker.worker_capacity import gauge
from tasks.runtime import KEY_PREFIX, runtime

log = logging.getLogger(__name__)

QUEUE = "starts"
#: why no worker may read the starts queue; set by the tick that found out, and void unless renewed
CLOSED_KEY = KEY_PREFIX + "gate:starts"
#: lifetime of the mark, in milliseconds
CLOSED_FOR_MS = 5_000


class Gate:
    """Opens and closes the starts queue of one worker's consumer."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._queue = next((queue for queue in consumer.task_consumer.queues if queue.name == QUEUE), None)
        self._open = True

    def look(self, *, runs_steps: bool) -> None:
        """Close or open, as things stand."""
        if self._queue is None:
            return
        why = runtime().redis.get(CLOSED_KEY)
        if why is None and not runs_steps and gauge().read(fresh=True).free <= 0:
            # This worker has no slot to give: its starts would only wait in the engine.
            why = "no room for their steps"
        if why is not None and self._open:
            self._open = False
            log.info("starts are not read: %s", why)
            self._consumer.task_consumer.cancel_by_queue(QUEUE)
        elif why is None and not self._open:
            self._open = True
            log.info("starts are read again")
            self._consumer.task_consumer.add_queue(self._queue)
            self._consumer.task_consumer.consume()


def close_gate(why: str) -> None:
    """Let no worker begin starts for a while."""
    try:
        runtime().redis.set(CLOSED_KEY, why, px=CLOSED_FOR_MS)
    except redis.RedisError as error:
        log.debug("gate not closed: %s", error)


def open_gate() -> None:
    """Let workers begin starts again."""
    try:
        runtime().redis.delete(CLOSED_KEY)
    except redis.RedisError as error:
        log.debug("gate not opened: %s", error)
