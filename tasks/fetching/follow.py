"""Follow first: whoever starts an instance or ends one of its steps fetches what comes next and enqueues it.

No worker contends with another for it and no fetch comes back empty; beat's poll is the net for everything else.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from camunda_bridge.client import Topic
from camunda_bridge.errors import BridgeError, EngineAway
from camunda_bridge.locks import new_token
from store.database import DatabaseAway
from store.events import AttemptKey
from tasks.broker.publish import BrokerAway, send_step
from tasks.broker.step_message import StepMessage
from tasks.broker.worker_capacity import gauge
from tasks.fetching.strategy import Way, Ways
from tasks.processes import registry
from tasks.runtime import broker_now, runtime
from tasks.steps import inline
from tasks.steps.unlock import give_back
from tasks.topics import leases
from tasks.topics.controls import FREE, Limit, controls
from telemetry.metrics import declared

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Followed:
    """How many steps were enqueued, whether all could be asked for, and whether a topic's limit said no.

    `answered`: whether the engine gave an answer; None where there was nothing to ask it for.
    """

    enqueued: int
    asked: bool = True
    held_back: bool = False
    answered: bool | None = None


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
    topics: Sequence[Topic],
    *,
    max_tasks: int,
    business_key: str | None = None,
    instance_id: str | None = None,
    confirm: AttemptKey | None = None,
) -> Followed:
    """Lock what is ready, of one business key or of one instance if given, and enqueue each task.

    The first message carries `confirm`. What ops paused is left out, and no more is locked than a topic's limit allows.
    """
    try:
        held = controls()
    except DatabaseAway as error:
        # Without its store a paused topic could not be told from others.
        log.info("nothing fetched: database is away: %s", error)
        return Followed(0, asked=False)
    if held is FREE:
        return _fetch(topics, max_tasks=max_tasks, business_key=business_key, instance_id=instance_id, confirm=confirm)
    free, limited = held.sort(topics)
    if business_key is None and instance_id is None:
        return _fetch_in_turn(free, limited, max_tasks, confirm)
    return _fetch(
        free, limited, max_tasks=max_tasks, business_key=business_key, instance_id=instance_id, confirm=confirm
    )


def _fetch_in_turn(
    free: list[Topic], limited: list[tuple[Topic, Limit]], max_tasks: int, confirm: AttemptKey | None
) -> Followed:
    """Fetch tasks of any process: each limited topic by itself, then the others together.

    A limited topic has an even share of what is left (by chance, where that is no whole number), so that one with many
    tasks leaves others theirs; what it does not use goes to those behind it.
    """
    shares: list[tuple[list[Topic], list[tuple[Topic, Limit]]]] = [
        ([], [one]) for one in random.sample(limited, len(limited))
    ]
    if free:
        shares.append((free, []))
    enqueued, asked, held_back = 0, True, False
    answered: bool | None = None
    for parts, (some, one) in zip(range(len(shares), 0, -1), shares, strict=True):
        left = max_tasks - enqueued
        share = int(left / parts + random.random()) if parts > 1 else left
        if share <= 0:
            # Nobody can say that nothing waits there.
            asked = False
            continue
        followed = _fetch(some, one, max_tasks=share, each=share, confirm=confirm)
        enqueued += followed.enqueued
        asked = asked and followed.asked
        held_back = held_back or followed.held_back
        if followed.answered is not None:
            answered = followed.answered and answered is not False
        if followed.enqueued:
            confirm = None
    return Followed(enqueued, asked, held_back, answered)


def _fetch(
    topics: Sequence[Topic],
    limited: Sequence[tuple[Topic, Limit]] = (),
    *,
    max_tasks: int,
    each: int = 1,
    business_key: str | None = None,
    instance_id: str | None = None,
    confirm: AttemptKey | None = None,
) -> Followed:
    """One fetch: of `topics`, and at most `each` tasks of each of `limited`, if its limit allows."""
    settings = runtime().settings
    token = new_token()
    taken = {
        topic.name: (limit, found) for topic, limit in limited if (found := leases.take(topic, limit, each, token))
    }
    if taken:
        topics = [*topics, *(topic for topic, _ in limited if topic.name in taken)]
        if business_key is None and instance_id is None:
            max_tasks = min(max_tasks, len(taken[limited[0][0].name][1]))
    if not topics:
        return Followed(0, held_back=bool(limited))
    # The lock is counted from before the call: the engine sets it somewhere within.
    fetched_at = broker_now()
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
    except BridgeError as error:
        for name, (limit, found) in taken.items():
            leases.give_back(name, limit, found)
        log.log(logging.INFO if isinstance(error, EngineAway) else logging.ERROR, "nothing fetched: %s", error)
        return Followed(0, asked=False, answered=False)
    of_one_process = business_key is not None or instance_id is not None
    declared.FETCHED.labels("follow" if of_one_process else "poll").observe(len(tasks))
    lock_s = settings.lock_duration_ms / 1000
    messages: list[StepMessage] = []
    for task in tasks:
        permit = None
        if task.topic in taken:
            found = taken[task.topic][1]
            if not found:
                # One process has more ready of it than its limit allows: the poll comes back to it.
                body = StepMessage(task, token, fetched_at, lock_s).dump()
                give_back(engine, body, "beyond its topic's limit", level=logging.INFO)
                continue
            permit = found.pop()
        messages.append(StepMessage(task, token, fetched_at, lock_s, None if messages else confirm, permit))
    for name, (limit, found) in taken.items():
        leases.give_back(name, limit, found)
    return Followed(_enqueue(messages), answered=True)


@contextmanager
def permitted(message: StepMessage) -> Iterator[None]:
    """Hold the permit of a step, if its topic has a limit, while the block runs; then hand it on."""
    if message.permit is None:
        yield
        return
    leases.begin(message.task.id, message.token, message.task.topic, message.permit)
    try:
        yield
    finally:
        end_permit(message)


def end_permit(message: StepMessage) -> None:
    """Give the permit of a step back that has ended, and fetch the next task that its topic's limit has held back."""
    task = message.task
    if message.permit is None or not leases.end(task.id, message.token, task.topic, message.permit):
        return
    found = registry.find(task.topic)
    if found is None or gauge().read().free <= 0:
        # The poll comes back to it.
        return
    process, step = found
    try:
        followed = fetch([process.topic(step)], max_tasks=1)
    except BridgeError as error:
        log.warning("next task of %s left to the poll: %s", task.topic, error)
        return
    if followed.asked and not followed.enqueued and not followed.held_back:
        leases.nothing_held_back(task.topic)


def _enqueue(messages: list[StepMessage]) -> int:
    enqueued = 0
    for message in messages:
        try:
            if not inline.take(message):
                send_step(message)
        except BrokerAway as error:
            # Their locks run out and the engine offers them again.
            log.warning("%d fetched tasks not enqueued: %s", len(messages) - enqueued, error)
            break
        enqueued += 1
    gauge().take(enqueued)
    return enqueued
