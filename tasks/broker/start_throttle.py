"""The start throttle: while no slot is free or the engine is unavailable, accepted starts stay in their queue.

A worker that does not consume the queue costs nothing, and a start that is not consumed cannot fail.
"""

from __future__ import annotations

import logging
from typing import Any

import redis

from tasks.broker.start_priority import STARTS_QUEUE
from tasks.broker.worker_capacity import runs_steps, worker_capacity
from tasks.runtime import KEY_PREFIX, runtime

log = logging.getLogger(__name__)

#: why no worker may consume the starts queue; the poll that finds the reason sets it, and it expires unless renewed
PAUSED_KEY = KEY_PREFIX + "gate:starts"
#: lifetime of the mark, in milliseconds
PAUSED_FOR_MS = 5_000


class StartThrottle:
    """Pauses and resumes the starts queue of one worker, as long as the worker lives: across its reconnections too."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._consumes_starts = STARTS_QUEUE in consumer.app.amqp.queues.consume_from
        self._is_paused = False

    def update(self) -> None:
        """Pause or resume the queue, as :data:`PAUSED_KEY` and the free slots say.

        Raises:
            redis.RedisError: Redis is unavailable.
        """
        if not self._consumes_starts:
            return
        why = runtime().redis.get(PAUSED_KEY)
        if why is None and not runs_steps() and worker_capacity().read(fresh=True).free <= 0:
            # This worker has no slot of its own: the first steps of its starts would only wait in the engine.
            why = "no slot is free for their steps"
        if why is not None and not self._is_paused:
            self._is_paused = True
            log.info("starts queue paused: %s", why)
            self._consumer.cancel_task_queue(STARTS_QUEUE)
        elif why is None and self._is_paused:
            self._is_paused = False
            log.info("starts queue resumed")
            self._consumer.add_task_queue(STARTS_QUEUE)


def pause_starts(why: str) -> None:
    """Let no worker consume the starts queue for :data:`PAUSED_FOR_MS`."""
    try:
        runtime().redis.set(PAUSED_KEY, why, px=PAUSED_FOR_MS)
    except redis.RedisError as error:
        log.debug("starts queue not paused: %s", error)


def resume_starts() -> None:
    """Let the workers consume the starts queue again."""
    try:
        runtime().redis.delete(PAUSED_KEY)
    except redis.RedisError as error:
        log.debug("starts queue not resumed: %s", error)
