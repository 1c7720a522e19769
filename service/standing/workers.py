"""What an external task waits for: a worker, its next attempt, or ops."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import Any

from camunda_bridge.json_form import rfc3339
from camunda_bridge.variables import parse_date
from service.topics import TopicView, views
from store.clock import now
from store.errors import DatabaseUnavailable
from store.event_rows import OPEN_PHASES, PhaseRow
from tasks.processes import registry
from tasks.runtime import runtime
from tasks.topics.controls import controls

log = logging.getLogger(__name__)

#: newest attempts of the process that are read
_NEWEST = 200


class WorkerWaits:
    """What the external tasks of one process wait for. Topics and attempts are read once, at first use."""

    def __init__(self, correlation_id: str) -> None:
        self._correlation_id = correlation_id

    def wait_of(self, task: dict[str, Any]) -> dict[str, Any]:
        """What an external task waits for, as the engine describes it."""
        topic, left = task["topicName"], task["retries"]
        if left == 0:
            return {"kind": "incident", "topic": topic, "message": task["errorMessage"]}
        until = None if task["lockExpirationTime"] is None else parse_date(task["lockExpirationTime"])
        is_locked = until is not None and until > now()
        is_running = is_locked and (task["errorMessage"] is None or self._runs(task["id"]))
        if until is not None and is_locked and not is_running:
            # The pause before a retry is a lock of the worker whose attempt failed.
            found = registry.find(topic)
            of = found[1].retries if found is not None else None
            return {
                "kind": "retry",
                "topic": topic,
                "retry": None if of is None or left is None else max(1, of - left + 1),
                "of": of,
                "left": left,
                "at": rfc3339(until),
                "message": task["errorMessage"],
            }
        view = self._topics.get(topic)
        return {
            "kind": "worker",
            "topic": topic,
            "running": is_running,
            "handled": registry.handles(topic, task["processDefinitionKey"]),
            "paused": self._is_maintenance or (view is not None and view.state.is_paused),
            "limitReached": _is_full(view),
        }

    @cached_property
    def _topics(self) -> dict[str, TopicView]:
        try:
            return {view.state.topic: view for view in views()}
        except DatabaseUnavailable as error:
            log.info("pauses and limits of topics not read: %s", error)
            return {}

    @cached_property
    def _is_maintenance(self) -> bool:
        try:
            return controls().maintenance
        except DatabaseUnavailable as error:
            log.info("maintenance not read: %s", error)
            return False

    def _runs(self, task_id: str) -> bool:
        """True if the newest attempt of a task has not ended."""
        phase = next((row.phase for row in reversed(self._attempts) if row.external_task_id == task_id), None)
        return phase in OPEN_PHASES

    @cached_property
    def _attempts(self) -> list[PhaseRow]:
        try:
            return runtime().events.newest_phases_of(self._correlation_id, limit=_NEWEST)
        except DatabaseUnavailable as error:
            log.info("attempts of %s not read: %s", self._correlation_id, error)
            return []


def _is_full(view: TopicView | None) -> bool:
    """True while as many steps of the topic run as its limit allows."""
    if view is None or view.state.max_concurrency is None or view.in_flight is None:
        return False
    return view.in_flight >= view.state.max_concurrency
