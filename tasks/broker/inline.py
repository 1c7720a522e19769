"""Inline steps: the next step of a process runs at once, in the same slot and without a message (`STEPS_IN_PLACE_MS`).

A message through the broker and the worker's parent process costs more than a step that does little. An inline step is
written, locked, limited and counted like any other. But Flower shows only the Celery task of the first step, and the
process goes on before others that wait in the queue, for as long as the setting allows.

The current step of a task is kept in Redis. So if the worker process is killed, that step is reported or unlocked like
one that came in a message.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import redis

from tasks import app
from tasks.broker.publish import send_step
from tasks.broker.step_message import StepMessage
from tasks.errors import BrokerUnavailable
from tasks.processes import registry
from tasks.runtime import KEY_PREFIX, runtime

log = logging.getLogger(__name__)


class Chain:
    """The steps that one Celery task runs, one after the other."""

    def __init__(self, task_id: str, topic: str, *, for_s: float) -> None:
        self._task_id = task_id
        self._queue = _queue_of(topic)
        self._until = time.monotonic() + for_s
        self._next: StepMessage | None = None
        self._is_kept = False

    def accept(self, message: StepMessage) -> bool:
        """True when this step runs inline next; false when its message must be sent.

        A step of another queue is never run inline: ops may have given that queue to other workers.
        """
        if self._next is not None or time.monotonic() >= self._until:
            return False
        if self._queue is None or _queue_of(message.task.topic) != self._queue:
            return False
        self._next = message
        return True

    def __iter__(self) -> Iterator[StepMessage]:
        """The steps after the first, each once it was accepted."""
        while (message := self._next) is not None:
            self._next = None
            self._keep(message)
            yield message

    def close(self) -> None:
        """Send the step that was accepted and not begun, because the step before it raised an unexpected exception."""
        if self._next is not None:
            try:
                send_step(self._next)
            except BrokerUnavailable as error:
                log.warning("fetched task not enqueued, its lock expires: %s", error)
        if self._is_kept:
            try:
                runtime().redis.delete(_key(self._task_id))
            except redis.RedisError as error:
                log.debug("current step not deleted from Redis, it expires: %s", error)

    def _keep(self, message: StepMessage) -> None:
        try:
            # It lives as long as Celery lets the task run.
            runtime().redis.set(_key(self._task_id), json.dumps(message.dump()), ex=int(app.conf.task_time_limit))
            self._is_kept = True
        except redis.RedisError as error:
            log.info("current step not written to Redis, its lock expires if this process is killed: %s", error)


_chain: ContextVar[Chain | None] = ContextVar("chain", default=None)


@contextmanager
def chain(task_id: str, topic: str) -> Iterator[Chain]:
    """Let the Celery task in this block, which begins with a step of `topic`, run the following steps inline."""
    made = Chain(task_id, topic, for_s=runtime().settings.steps_in_place_ms / 1000)
    token = _chain.set(made)
    try:
        yield made
    except Exception:
        made.close()
        raise
    else:
        made.close()
    # A handler that was interrupted leaves by another exception: whoever unlocks or reports its step must find it.
    finally:
        _chain.reset(token)


def accept(message: StepMessage) -> bool:
    """:meth:`Chain.accept` of the Celery task that runs here; false outside of a step's task."""
    current = _chain.get()
    return current is not None and current.accept(message)


def current_step(task_id: str, first: dict[str, Any]) -> dict[str, Any]:
    """The message of the current step of a Celery task that began with the message `first`."""
    if not runtime().settings.steps_in_place_ms:
        return first
    try:
        noted: Any = runtime().redis.get(_key(task_id))
    except redis.RedisError as error:
        log.info("current step of task %s unknown, its first step is taken: %s", task_id, error)
        return first
    body: dict[str, Any] = json.loads(noted) if noted else first
    return body


def _queue_of(topic: str) -> str | None:
    found = registry.find(topic)
    return found[0].queue if found else None


def _key(task_id: str) -> str:
    return f"{KEY_PREFIX}in-place:{task_id}"
