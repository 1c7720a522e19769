"""Pause, resume and limit topics, for the facade: the store first, then whoever fetches is told."""

from __future__ import annotations

import logging
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
    """A topic, and how many of its tasks are locked or run: None where nobody counts them, or Redis is away."""

    state: TopicState
    in_flight: int | None


def views() -> list[TopicView]:
    """Every topic, by name; a limit's use is counted, for the limited ones.

    Raises:
        DatabaseUnavailable: the store cannot be asked.
    """
    return [TopicView(state, _in_flight(state)) for state in topic_states()]


def view(topic: str) -> TopicView | None:
    """One topic; None when nobody handles it and ops never said anything about it.

    Raises:
        DatabaseUnavailable: the store cannot be asked.
    """
    return next((TopicView(state, _in_flight(state)) for state in topic_states() if state.topic == topic), None)


def pause(topic: str, reason: str | None, *, actor: str) -> None:
    """Stop fetching a topic; steps that are locked already end. A topic that is paused stays as it is.

    Raises:
        DatabaseUnavailable: nothing was changed.
    """
    event = _event(topic, "pause", "the topic was paused", actor, {"reason": reason})
    if runtime().topics.pause(topic, reason, event):
        _tell()


def resume(topic: str, *, actor: str) -> None:
    """Fetch a topic again.

    Raises:
        DatabaseUnavailable: nothing was changed.
    """
    if runtime().topics.resume(topic, _event(topic, "resume", "the topic was resumed", actor, {})):
        _tell()


def limit(topic: str, changes: dict[str, Any], *, actor: str) -> None:
    """Change the limits that `changes` names (`max_concurrency`, `rate`): None for what the code declares.

    Raises:
        DatabaseUnavailable: nothing was changed.
    """
    runtime().topics.limit(topic, changes, _event(topic, "limit", "the topic's limits were changed", actor, changes))
    _tell()


def _tell() -> None:
    try:
        refresh()
    except DatabaseUnavailable as error:
        log.info("change of a topic is told by the next poll: %s", error)


def _event(topic: str, step_name: str, result: str, actor: str, metadata: dict[str, Any]) -> NewEvent:
    # No process: found by GET /event-log/topic:<topic>
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
        log.info("%s cannot be counted: %s", state.topic, error)
        return None
