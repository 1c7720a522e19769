"""Whose turn it is to handle the incidents of a process."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import redis

from tasks.broker.publish import BROKER_AWAY
from tasks.runtime import KEY_PREFIX, runtime

log = logging.getLogger(__name__)

#: seconds after which a retry whose process died no longer holds up another, and for which one waits for another
TURN_S = 30.0
TURN_WAIT_S = 5.0


@contextmanager
def turn(process_id: uuid.UUID) -> Iterator[None]:
    """One at a time who retries a process's incidents or writes them into its row.

    Without Redis, or a turn in time, it goes on: the worst is an attempt more, or a row that says `error` until the
    next round of the reconciler.
    """
    lock = runtime().redis.lock(f"{KEY_PREFIX}retry:{process_id}", timeout=TURN_S, blocking_timeout=TURN_WAIT_S)
    is_held = False
    try:
        is_held = lock.acquire()
    except BROKER_AWAY as error:
        log.info("incidents of %s are handled without a turn: %s", process_id, error)
    try:
        yield
    finally:
        if is_held:
            with suppress(redis.RedisError, OSError):
                lock.release()
