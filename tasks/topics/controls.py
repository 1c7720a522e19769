"""Pauses and limits of topics: those that ops set, over those that the code declares. Maintenance pauses every topic.

The store has them. Beat's poll reads it each second and publishes them in Redis; every fetch reads them there together
with the worker capacity, so no step costs a query. If Redis was emptied, they are read from the store; while neither
answers, nothing is fetched.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from camunda_bridge.engine.locked_task import Topic
from store.topics import TopicRow
from tasks.broker.publish import BROKER_ERRORS
from tasks.broker.worker_capacity import TOPICS_KEY, worker_capacity
from tasks.processes import registry
from tasks.runtime import runtime

log = logging.getLogger(__name__)

#: lifetime of what was published, in milliseconds; beat's poll publishes it again each second
LIFETIME_MS = 5_000
#: in place of a rate: no limit
NO_RATE = "none"

_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}


@dataclass(frozen=True, slots=True)
class Limit:
    """The limit of a topic: `max_concurrency` steps at once, one each `interval_ms` on average; 0 for no limit."""

    max_concurrency: int = 0
    interval_ms: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.max_concurrency or self.interval_ms)

    @classmethod
    def of(cls, max_concurrency: int | None, rate: str | None) -> Limit:
        """From the form in which people write it."""
        return cls(max_concurrency or 0, interval_ms(rate))


@dataclass(frozen=True, slots=True)
class Controls:
    """The pauses and limits that hold now.

    `maintenance`: no step and no process begins.
    """

    paused: frozenset[str] = frozenset()
    limits: Mapping[str, Limit] | None = None
    maintenance: bool = False

    def split(self, topics: Sequence[Topic]) -> tuple[list[Topic], list[tuple[Topic, Limit]]]:
        """Those of `topics` without a limit, and those with one; paused topics are in neither."""
        if self.maintenance:
            return [], []
        limits = self.limits or {}
        running = [topic for topic in topics if topic.name not in self.paused]
        limited = [(topic, limits[topic.name]) for topic in running if topic.name in limits]
        return [topic for topic in running if topic.name not in limits], limited


#: no topic is paused or limited
UNLIMITED = Controls()


@dataclass(frozen=True, slots=True)
class TopicState:
    """The state of a topic: what ops set, if anything, and the limits that hold."""

    topic: str
    process_key: str
    said: TopicRow | None
    max_concurrency: int | None
    rate: str | None

    @property
    def is_paused(self) -> bool:
        """True while its tasks are not fetched."""
        return self.said is not None and self.said.paused_at is not None


def controls() -> Controls:
    """The pauses and limits that hold now, at most about a second old.

    Raises:
        DatabaseUnavailable: nothing is published, and the store cannot be read.
    """
    text = worker_capacity().read().topics
    return controls_of(refresh() if text is None else text)


def refresh() -> str:
    """Read the pauses and limits in the store and publish them in Redis; the text that was published.

    Raises:
        DatabaseUnavailable: the store cannot be read.
    """
    text = _dump(runtime().topics.all(), is_maintenance=runtime().maintenance.current() is not None)
    try:
        runtime().redis.set(TOPICS_KEY, text, px=LIFETIME_MS)
    except BROKER_ERRORS as error:
        log.debug("topics not published: %s", error)
    worker_capacity().note_topics(text)
    return text


def controls_of(text: str) -> Controls:
    """The pauses and limits in a text that :func:`refresh` published."""
    paused, said, is_maintenance = _load(text)
    if not paused and not said and not is_maintenance and not registry.limited:
        return UNLIMITED
    limits = {}
    for topic in {*registry.limited, *said}:
        step = registry.limited.get(topic)
        most, rate = said.get(topic, (None, None))
        limit = Limit.of(
            step.max_concurrency if most is None and step is not None else most,
            step.rate if rate is None and step is not None else rate,
        )
        if limit:
            limits[topic] = limit
    return Controls(paused, limits, is_maintenance)


def topic_states() -> list[TopicState]:
    """Every topic with a handler, and every other for which ops set something; for people and metrics.

    Raises:
        DatabaseUnavailable: the store cannot be read.
    """
    said = {row.topic: row for row in runtime().topics.all()}
    states = [_state(step.topic, owner.key, said.pop(step.topic, None)) for owner, step in registry.steps()]
    # A paused topic of a process that is no longer here must be shown, so that it can be resumed.
    states += [_state(row.topic, "", row) for row in said.values()]
    return sorted(states, key=lambda state: state.topic)


def interval_ms(rate: str | None) -> float:
    """Milliseconds between two steps at this rate, such as ``5/second``; 0 without one."""
    if rate is None or rate == NO_RATE:
        return 0.0
    number, _, unit = rate.partition("/")
    return _SECONDS[unit] * 1000 / int(number)


def _state(topic: str, process_key: str, said: TopicRow | None) -> TopicState:
    step = registry.limited.get(topic)
    most = step.max_concurrency if step is not None else None
    rate = step.rate if step is not None else None
    if said is not None:
        most = most if said.max_concurrency is None else said.max_concurrency or None
        rate = rate if said.rate is None else (None if said.rate == NO_RATE else said.rate)
    return TopicState(topic, process_key, said, most, rate)


def _dump(rows: Sequence[TopicRow], *, is_maintenance: bool) -> str:
    paused = [row.topic for row in rows if row.paused_at is not None]
    limits = {
        row.topic: [row.max_concurrency, row.rate] for row in rows if (row.max_concurrency, row.rate) != (None,) * 2
    }
    said = {"paused": paused, "limits": limits, "maintenance": is_maintenance}
    return json.dumps({name: value for name, value in said.items() if value}, separators=(",", ":"))


@lru_cache(maxsize=4)
def _load(text: str) -> tuple[frozenset[str], dict[str, tuple[int | None, str | None]], bool]:
    said = json.loads(text)
    limits = {topic: tuple(limit) for topic, limit in said.get("limits", {}).items()}
    return frozenset(said.get("paused", ())), limits, said.get("maintenance", False)
