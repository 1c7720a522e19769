"""One fetch: lock ready external tasks in the engine and enqueue a message for each.

A topic that ops paused is left out. Where topics have limits, no task is locked without a lease.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from camunda_bridge.engine.locked_task import LockedTask, Topic
from camunda_bridge.errors import BridgeError, EngineUnavailable
from camunda_bridge.locks import new_token
from store.errors import DatabaseUnavailable
from store.event_rows import AttemptKey
from tasks.broker import inline
from tasks.broker.publish import send_step
from tasks.broker.step_message import StepMessage
from tasks.broker.worker_capacity import worker_capacity
from tasks.errors import BrokerUnavailable
from tasks.fetching.strategy import FetchStrategy, picker
from tasks.fetching.unlock import unlock_task
from tasks.runtime import broker_now, runtime
from tasks.topics import leases
from tasks.topics.controls import UNLIMITED, Limit, controls
from telemetry.crash_points import crash_point
from telemetry.metrics import declared

log = logging.getLogger(__name__)

Limited = tuple[Topic, Limit]


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch came to: how many steps it enqueued.

    Args:
        covers_all: every topic was asked for, so what was not enqueued is not ready.
        held_back: the limit of a topic left ready tasks in the engine.
        engine_answered: None where there was nothing to ask the engine for.
    """

    enqueued: int
    covers_all: bool = True
    held_back: bool = False
    engine_answered: bool | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose tasks are fetched: those of one business key or of one instance; of any process if neither is given.

    `known`: identifiers of this process that the store has already.
    """

    business_key: str | None = None
    instance_id: str | None = None
    known: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_one_process(self) -> bool:
        """True when the fetch follows one process."""
        return self.business_key is not None or self.instance_id is not None


ANY_PROCESS = Scope()


def fetch(
    topics: Sequence[Topic], *, max_tasks: int, scope: Scope = ANY_PROCESS, confirm: AttemptKey | None = None
) -> Fetched:
    """Lock at most `max_tasks` ready tasks and enqueue a message for each; the first message carries `confirm`."""
    try:
        held = controls()
    except DatabaseUnavailable as error:
        # A paused topic could not be told from the others.
        log.info("nothing fetched, the pauses of topics are unknown: database unavailable: %s", error)
        return Fetched(0, covers_all=False)
    if held is UNLIMITED:
        return _fetch_once(topics, (), max_tasks=max_tasks, scope=scope, confirm=confirm)
    free, limited = held.split(topics)
    if scope.is_one_process:
        return _fetch_once(free, limited, max_tasks=max_tasks, scope=scope, confirm=confirm)
    return _fetch_shares(free, limited, max_tasks, confirm)


def _fetch_shares(free: list[Topic], limited: list[Limited], max_tasks: int, confirm: AttemptKey | None) -> Fetched:
    """Fetch tasks of any process: each limited topic by itself, then the others together.

    Each limited topic has an even share of what is left (rounded at random), so that one with many tasks leaves slots
    to the others. What it does not use goes to the next ones.
    """
    shares: list[tuple[list[Topic], list[Limited]]] = [([], [one]) for one in random.sample(limited, len(limited))]
    if free:
        shares.append((free, []))
    enqueued, covers_all, held_back = 0, True, False
    answered: bool | None = None
    for shares_left, (some, one) in zip(range(len(shares), 0, -1), shares, strict=True):
        left = max_tasks - enqueued
        share = int(left / shares_left + random.random()) if shares_left > 1 else left
        if share <= 0:
            covers_all = False
            continue
        fetched = _fetch_once(some, one, max_tasks=share, each=share, confirm=confirm)
        enqueued += fetched.enqueued
        covers_all = covers_all and fetched.covers_all
        held_back = held_back or fetched.held_back
        if fetched.engine_answered is not None:
            answered = fetched.engine_answered and answered is not False
        if fetched.enqueued:
            confirm = None
    return Fetched(enqueued, covers_all, held_back, answered)


def _fetch_once(
    topics: Sequence[Topic],
    limited: Sequence[Limited],
    *,
    max_tasks: int,
    each: int = 1,
    scope: Scope = ANY_PROCESS,
    confirm: AttemptKey | None = None,
) -> Fetched:
    """One request: tasks of `topics`, and at most `each` tasks of each topic of `limited` that its limit allows."""
    token = new_token()
    granted = _Leases(limited, each, token)
    if granted.topics:
        topics = [*topics, *granted.topics]
        if not scope.is_one_process:
            # A share is one limited topic alone.
            max_tasks = min(max_tasks, granted.count(limited[0][0].name))
    if not topics:
        return Fetched(0, held_back=bool(limited))
    if granted.topics:
        crash_point("fetch: leases acquired, tasks not locked")
    # The lock is counted from before the request: the engine sets it somewhere within.
    fetched_at = broker_now()
    try:
        tasks = _lock(topics, token, scope, max_tasks)
    except BridgeError as error:
        granted.return_unused()
        log.log(logging.INFO if isinstance(error, EngineUnavailable) else logging.ERROR, "nothing fetched: %s", error)
        return Fetched(0, covers_all=False, engine_answered=False)
    declared.FETCHED.labels("follow" if scope.is_one_process else "poll").observe(len(tasks))
    lock_s = runtime().settings.lock_duration_ms / 1000
    messages: list[StepMessage] = []
    for task in tasks:
        lease = granted.pop(task.topic)
        if lease is None and granted.limits(task.topic):
            # One process has more ready tasks of it than its limit allows. The poll fetches them later.
            body = StepMessage(task, token, fetched_at, lock_s).dump()
            unlock_task(runtime().engine, body, "beyond its topic's limit", level=logging.INFO)
            continue
        first = None if messages else confirm
        messages.append(StepMessage(task, token, fetched_at, lock_s, first, lease, scope.known))
    granted.return_unused()
    if messages:
        crash_point("fetch: tasks locked, not enqueued")
    return Fetched(_enqueue(messages), engine_answered=True)


def _lock(topics: Sequence[Topic], token: str, scope: Scope, max_tasks: int) -> list[LockedTask]:
    settings, engine = runtime().settings, runtime().engine
    lock: dict[str, Any] = {
        "token": token,
        "lock_duration_ms": settings.lock_duration_ms,
        "max_tasks": min(max_tasks, settings.poll_max_tasks),
    }
    # Only the engine's part is timed, and a request that fails says nothing about its strategy.
    if scope.instance_id is not None:
        with picker.timing(FetchStrategy.BY_INSTANCE):
            return engine.lock_ready(scope.instance_id, topics, **lock)
    if scope.business_key is not None:
        with picker.timing(FetchStrategy.BY_KEY):
            return engine.fetch_and_lock(topics, business_key=scope.business_key, **lock)
    return engine.fetch_and_lock(topics, **lock)


def _enqueue(messages: list[StepMessage]) -> int:
    enqueued = 0
    for message in messages:
        try:
            if not inline.accept(message):
                send_step(message)
        except BrokerUnavailable as error:
            log.warning("%d fetched tasks not enqueued, their locks expire: %s", len(messages) - enqueued, error)
            break
        enqueued += 1
    worker_capacity().reserve(enqueued)
    return enqueued


class _Leases:
    """The leases that one fetch holds, for the limited topics that may be fetched now."""

    def __init__(self, limited: Sequence[Limited], each: int, token: str) -> None:
        self.topics: list[Topic] = []
        self._held: dict[str, tuple[Limit, list[str]]] = {}
        for topic, limit in limited:
            if names := leases.acquire(topic, limit, each, token):
                self.topics.append(topic)
                self._held[topic.name] = (limit, names)

    def limits(self, topic: str) -> bool:
        return topic in self._held

    def count(self, topic: str) -> int:
        return len(self._held[topic][1])

    def pop(self, topic: str) -> str | None:
        """One lease of a topic; None when it has no limit, or none is left."""
        _, names = self._held.get(topic, (None, []))
        return names.pop() if names else None

    def return_unused(self) -> None:
        for topic, (limit, names) in self._held.items():
            leases.return_unused(topic, limit, names)
