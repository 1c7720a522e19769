"""The next step of a process at once, in the slot of the one before it, without a message: `STEPS_IN_PLACE_MS`.

A message and its way through the broker and the worker's parent cost more than a step that does little. In place a step
is written down, locked, limited and counted as ever; but Flower shows the Celery task of the first one alone, and the
process goes on before others that wait in the queue, for as long as the setting says.

A task's present step is noted in Redis, so that a step whose worker process is killed is reported, or given back, as
one that came by a message.
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
    """The steps that one Celery task runs."""

    def __init__(self, task_id: str, topic: str, *, for_s: float) -> None:
        self._task_id = task_id
        self._queue = _queue_of(topic)
        self._until = time.monotonic() + for_s
        self._next: StepMessage | None = None
        self._has_note = False

    def accept(self, message: StepMessage) -> bool:
        """True when this step is run next, here; false when it is to be sent.

        Whoever reads another queue may be another worker, chosen by ops.
        """
        if self._next is not None or time.monotonic() >= self._until:
            return False
        if self._queue is None or _queue_of(message.task.topic) != self._queue:
            return False
        self._next = message
        return True

    def __iter__(self) -> Iterator[StepMessage]:
        """The steps after the first, each as soon as it was taken."""
        while (message := self._next) is not None:
            self._next = None
            self._note(message)
            yield message

    def close(self) -> None:
        """Send what was taken and never begun, because a step raised what it should not."""
        if self._next is not None:
            try:
                send_step(self._next)
            except BrokerUnavailable as error:
                log.warning("fetched task not enqueued, its lock runs out: %s", error)
        if self._has_note:
            try:
                runtime().redis.delete(_key(self._task_id))
            except redis.RedisError as error:
                log.debug("note of the present step is left to expire: %s", error)

    def _note(self, message: StepMessage) -> None:
        try:
            # As long as Celery lets the task run.
            runtime().redis.set(_key(self._task_id), json.dumps(message.dump()), ex=int(app.conf.task_time_limit))
            self._has_note = True
        except redis.RedisError as error:
            log.info("present step not noted, its lock runs out should this process be killed: %s", error)


_chain: ContextVar[Chain | None] = ContextVar("chain", default=None)


@contextmanager
def chain(task_id: str, topic: str) -> Iterator[Chain]:
    """Let the block, a Celery task that begins with a step of `topic`, go on with the steps that it is led to."""
    made = Chain(task_id, topic, for_s=runtime().settings.steps_in_place_ms / 1000)
    token = _chain.set(made)
    try:
        yield made
    finally:
        _chain.reset(token)
        made.close()


def accept(message: StepMessage) -> bool:
    """:meth:`Chain.accept` of the Celery task that runs here; false when it is no step's."""
    present = _chain.get()
    return present is not None and present.accept(message)


def present_step(task_id: str, first: dict[str, Any]) -> dict[str, Any]:
    """The message of the step that a Celery task has come to, which began with `first`."""
    if not runtime().settings.steps_in_place_ms:
        return first
    try:
        noted: Any = runtime().redis.get(_key(task_id))
    except redis.RedisError as error:
        log.info("present step of %s is not known: %s", task_id, error)
        return first
    body: dict[str, Any] = json.loads(noted) if noted else first
    return body


def _queue_of(topic: str) -> str | None:
    found = registry.find(topic)
    return found[0].queue if found else None


def _key(task_id: str) -> str:
    return f"{KEY_PREFIX}in-place:{task_id}"
