"""Pause, resume and limit topics, for the facade: a change is written to the store, then published in Redis."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from store.errors import DatabaseUnavailable
from store.event_rows import OPS, NewEvent
from tasks.broker.publish import BROKER_ERRORS
from tasks.runtime import runtime
from tasks.topics import leases
from tasks.topics.controls import TopicState, refresh, topic_states

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TopicView:
    """A topic, and how many of its tasks are locked or run: None without a limit, or while Redis is unavailable."""

    state: TopicState
    in_flight: int | None


def views() -> list[TopicView]:
    """All topics, sorted by name.

    Raises:
        DatabaseUnavailable: the database is unavailable.
    """
    return [TopicView(state, _in_flight(state)) for state in topic_states()]


def view(topic: str) -> TopicView | None:
    """One topic; None if it has no handler here and no pause or limit of ops.

    Raises:
        DatabaseUnavailable: the database is unavailable.
    """
    return next((TopicView(state, _in_flight(state)) for state in topic_states() if state.topic == topic), None)


def pause(topics: Iterable[str], reason: str | None, *, actor: str) -> None:
    """Stop fetching topics; locked steps end normally. A topic that is paused already keeps its first pause.

    Raises:
        DatabaseUnavailable: nothing was changed.
    """
    said = {"reason": reason}
    events = {topic: _event(topic, "pause", "the topic was paused", actor, said) for topic in topics}
    if runtime().topics.pause(events, reason):
        _publish()


def resume(topics: Iterable[str], *, actor: str) -> None:
    """Fetch paused topics again.

    Raises:
        DatabaseUnavailable: nothing was changed.
    """
    if runtime().topics.resume(
        {topic: _event(topic, "resume", "the topic was resumed", actor, {}) for topic in topics}
    ):
        _publish()


def limit(topic: str, changes: dict[str, Any], *, actor: str) -> None:
    """Change the limits in `changes` (`max_concurrency`, `rate`). None sets a limit back to what the code declares.

    Raises:
        DatabaseUnavailable: nothing was changed.
    """
    runtime().topics.limit(topic, changes, _event(topic, "limit", "the topic's limits were changed", actor, changes))
    _publish()


def _publish() -> None:
    try:
        refresh()
    except DatabaseUnavailable as error:
        log.info("change of a topic not published, the next poll publishes it: %s", error)


def _event(topic: str, step_name: str, result: str, actor: str, metadata: dict[str, Any]) -> NewEvent:
    # The event is of no process: GET /event-log/topic:<topic> finds it.
    return NewEvent(
        traceability_id=f"topic:{topic}"[:200],
        phase=OPS,
        actor=actor,
        step_name=step_name,
        result=result,
        metadata={"topic": topic, **metadata},
    )


def _in_flight(state: TopicState) -> int | None:
    if state.max_concurrency is None:
        return None
    try:
        return leases.in_flight(state.topic)
    except BROKER_ERRORS as error:
        log.info("tasks in flight of %s not counted: %s", state.topic, error)
        return None
