"""Run one recorded step again, with the input of its event and the present code, and compare the outcomes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any
from uuid import UUID

from sqlalchemy.exc import DBAPIError

from camunda_bridge.context import StepContext
from camunda_bridge.executor import BusinessError, Completed, Outcome, execute
from camunda_bridge.steps import StepDefinition
from camunda_bridge.variables import from_document
from service.errors import ReplayError
from store.event_rows import BPMN_ERROR, COMPLETED, COMPLETING, FAILED, EventRow
from tasks.processes import registry
from tasks.runtime import runtime
from telemetry.logs.redaction import REDACTED, shown, shown_error


@dataclass(frozen=True, slots=True)
class Recorded:
    """The event of an attempt, and the step of the present code."""

    event: EventRow
    step: StepDefinition

    @classmethod
    def find(cls, execution_id: UUID) -> Recorded:
        """Read an event and find its step. Writes nothing.

        Raises:
            ReplayError: there is no such event, it is no attempt of a step, this installation has no step of that name,
                or the database does not have the schema of this version.
            DatabaseUnavailable: the database is unavailable.
        """
        try:
            event = runtime().events.by_execution_id(execution_id)
        except DBAPIError as error:
            said = str(error.orig).splitlines()[0]
            raise ReplayError(
                f"the store cannot be read: {said}; migrate it with python -m store.migrate if you have not"
            ) from error
        if event is None:
            raise ReplayError(f"no event has the execution id {execution_id}; take one of the event log")
        if event.external_task_id is None:
            raise ReplayError(f"event {execution_id} is the act {event.step_name!r} of ops, not an attempt of a step")
        found = [
            step
            for _, step in registry.steps()
            if (step.name, step.process_name) == (event.step_name, event.process_name)
        ]
        if len(found) != 1:
            raise ReplayError(
                f"exactly one step must have the name {event.step_name!r} in {event.process_name!r}, not {len(found)}"
            )
        return cls(event, found[0])

    @property
    def redacted(self) -> list[str]:
        """Paths of the fields of the recorded input whose value is `[redacted]`: the handler gets that text instead."""
        return list(_redacted_paths(self.event.business_action_request or {}))

    def run(self) -> list[str]:
        """Run the handler, and compare its outcome with the recorded one.

        Nothing is reported to the engine or written to the database, but the outside effects of the handler happen. A
        handler fails if it reads what the event does not have, such as the content of a file.

        Returns:
            The lines of a unified diff; empty if the outcomes are equal.
        """
        event = self.event
        types = (event.metadata or {}).get("inputTypes", {})
        values = from_document(event.business_action_request or {}, types)
        context = StepContext(
            correlation_id=event.correlation_id or "",
            traceability_id=event.traceability_id,
            process_instance_id=event.process_instance_id or "",
            step=self.step.name,
            attempt=1,
            idempotency_key=event.external_task_id or "",
        )
        outcome = execute(self.step, values, context).outcome
        before, after = _recorded(event), _new(outcome, values)
        return list(unified_diff(_lines(before), _lines(after), "recorded", "now", lineterm=""))


def _recorded(event: EventRow) -> dict[str, Any]:
    ends = {COMPLETED: "completed", COMPLETING: "completed", BPMN_ERROR: "business error", FAILED: "failed"}
    end = ends.get(event.phase, event.phase)
    if event.phase == COMPLETING and "bpmnError" in (event.metadata or {}):
        end = "business error"
    response = event.business_action_response
    return {"outcome": end, "response": _without_place(response) if end == "failed" else response}


def _new(outcome: Outcome, values: Mapping[str, Any]) -> dict[str, Any]:
    """The outcome in the form of an event."""
    if isinstance(outcome, Completed):
        return {"outcome": "completed", "response": shown(outcome.document)}
    if isinstance(outcome, BusinessError):
        return {"outcome": "business error", "response": shown_error(outcome.document, outcome.document, values)}
    return {"outcome": "failed", "response": shown_error(_without_place(outcome.document), values)}


def _without_place(response: Any) -> Any:
    """A failure without its place in the code, whose line changes with each edit of the file."""
    if not isinstance(response, Mapping):
        return response
    return {name: value for name, value in response.items() if name != "where"}


def _redacted_paths(value: Any, path: str = "") -> Iterator[str]:
    if value == REDACTED:
        yield path
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _redacted_paths(item, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _redacted_paths(item, f"{path}[{place}]")


def _lines(document: dict[str, Any]) -> list[str]:
    return json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True).splitlines()
