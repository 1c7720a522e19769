"""Follow first: whoever starts an instance or ends one of its steps fetches what comes next and enqueues it.

No worker contends with another for it and no fetch comes back empty; beat's poll is the net for everything else.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

from camunda_bridge.client import Topic
from camunda_bridge.errors import EngineAway, Unauthorized
from camunda_bridge.locks import new_token
from metrics import declared
from store.events import AttemptKey
from tasks.messages import StepMessage
from tasks.processes import registry
from tasks.publish import BrokerAway, send_step
from tasks.room import gauge
from tasks.runtime import runtime
from tasks.ways import Way, Ways

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Followed:
    """What came of following: how many steps were enqueued, and whether the engine answered at all."""

    enqueued: int
    asked: bool = True


_ways = Ways()


def follow(
    process_key: str,
    business_key: str | None,
    *,
    flat_instance: str | None = None,
    confirm: AttemptKey | None = None,
    slots: int = 1,
) -> Followed:
    """Fetch the next steps of one process and enqueue them.

    `flat_instance`: the id of its instance, if that calls no others and its steps see its own variables alone: its
    tasks may then be listed where a fetch has become slow. `slots`: slots that the caller leaves free when it returns
    (1 for a step, or for a start on a step worker).
    """
    room = gauge().read()
    allowed = slots + room.free
    topics = registry.family_topics(process_key)
    if not topics:
        return Followed(0)
    if allowed <= 0:
        gauge().mark_backlog()
        return Followed(0, asked=False)
    if business_key is None:
        # A called process that was given no business key: its steps cannot be asked for by name.
        return fetch(registry.topics(), max_tasks=1, confirm=confirm)
    if flat_instance and _ways.pick(slow_s=runtime().settings.fetch_slow_ms / 1000) is Way.BY_INSTANCE:
        return fetch(topics, max_tasks=allowed, instance_id=flat_instance, confirm=confirm)
    return fetch(topics, max_tasks=allowed, business_key=business_key, confirm=confirm)


def hand_on_slot() -> bool:
    """Give the slot that the caller leaves free to the oldest task that waits in the engine, if any had to wait.

    Whoever begins a process, or ends one, asks here first: nobody starves behind newer processes. True if it is taken.
    """
    if not gauge().read().backlog:
        return False
    fetched = fetch(registry.topics(), max_tasks=1)
    if fetched.asked and not fetched.enqueued:
        gauge().clear_backlog()
    return fetched.enqueued > 0


def fetch(
    topics: list[Topic] | tuple[Topic, ...],
    *,
    max_tasks: int,
    business_key: str | None = None,
    instance_id: str | None = None,
    confirm: AttemptKey | None = None,
) -> Followed:
    """Lock what is ready, of one business key or of one instance if given, and enqueue each task.

    The first message carries `confirm`.
    """
    settings = runtime().settings
    token = new_token()
    # The lock is counted from before the call: the engine sets it somewhere within.
    fetched_at = time.time()
    engine, most = runtime().engine, min(max_tasks, settings.poll_max_tasks)
    lock: dict[str, Any] = {"token": token, "lock_duration_ms": settings.lock_duration_ms, "max_tasks": most}
    try:
        # The engine's part alone is timed, and a call that fails says nothing about its way.
        if instance_id is not None:
            with _ways.timing(Way.BY_INSTANCE):
                tasks = engine.lock_ready(instance_id, topics, **lock)
        elif business_key is not None:
            with _ways.timing(Way.BY_KEY):
                tasks = engine.fetch_and_lock(topics, business_key=business_key, **lock)
        else:
            tasks = engine.fetch_and_lock(topics, **lock)
    except (EngineAway, Unauthorized) as error:
        log.info("nothing fetched: %s", error)
        return Followed(0, asked=False)
    of_one_process = business_key is not None or instance_id is not None
    declared.FETCHED.labels("follow" if of_one_process else "poll").observe(len(tasks))
    lock_s = settings.lock_duration_ms / 1000
    return Followed(
        _enqueue(
            [StepMessage(task, token, fetched_at, lock_s, confirm if task is tasks[0] else None) for task in tasks]
        )
    )


def _enqueue(messages: list[StepMessage]) -> int:
    enqueued = 0
    for message in messages:
        try:
            send_step(message)
        except BrokerAway as error:
            # Their locks run out and the engine offers them again.
            log.warning("%d fetched tasks not enqueued: %s", len(messages) - enqueued, error)
            break
        enqueued += 1
    gauge().take(enqueued)
    return enqueued
