"""Where a process has been on its diagram: the engine's history, with the attempts of the event log put to it.

While the engine is away, or has no instance yet, what the event log says of the steps is all there is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from camunda_bridge.bpmn import parse, sequence_flows
from camunda_bridge.errors import BridgeError, DefinitionError
from camunda_bridge.variables import parse_date
from store.events import BPMN_ERROR, COMPLETED, FAILED, LOST, OPEN_PHASES, PhaseRow
from store.processes import ProcessRow
from tasks.processes import registry
from tasks.runtime import runtime

#: states of an element; `waiting`: for a message, a timer, a person, a call, or a worker
DONE, RUNNING, WAITING, STUCK, CANCELLED = "done", "running", "waiting", "failed", "cancelled"
#: kinds of activities that run as long as something runs in them
_SCOPES = frozenset({"subProcess", "transaction", "adHocSubProcess", "multiInstanceBody"})
#: diagrams of definitions that are kept: they never change
_KEPT_DIAGRAMS = 64
#: what a gateway enters at once is entered within this time
_TOGETHER = timedelta(milliseconds=100)


@dataclass(slots=True)
class Element:
    """What happened at one element of a diagram; `took_ms` is of its newest visit that ended."""

    state: str
    visits: int = 0
    attempts: int = 0
    took_ms: int | None = None
    message: str | None = None
    steps: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Trail:
    """A process on its diagram.

    Attributes:
        xml: the diagram: of the version that the instance runs on, or of the file here while that cannot be had.
        version: of the definition; None when the diagram is the file's.
        elements: by their ids in the diagram.
        flows: ids of the sequence flows that were taken.
        note: why something is missing; empty when nothing is.
    """

    xml: str
    version: int | None
    elements: dict[str, Element]
    flows: list[str]
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Visit:
    activity: str
    started: datetime
    ended: datetime | None
    took_ms: int | None
    cancelled: bool
    is_scope: bool


def trail_of(row: ProcessRow, events: Iterable[PhaseRow]) -> Trail:
    """The trail of a process.

    Args:
        events: how far its events have come, oldest first.

    Raises:
        LookupError: there is no diagram, neither in the engine nor here.
    """
    attempts = [event for event in events if event.external_task_id is not None]
    if row.process_instance_id is None:
        return _from_events(row, attempts, "The process has not begun in the engine yet.")
    engine = runtime().engine
    try:
        instance = engine.historic_instance(row.process_instance_id)
        if instance is None:
            return _from_events(row, attempts, "The engine's history does not have this instance any more.")
        xml = _diagram(instance["processDefinitionId"])
        visits = [_visit(item) for item in engine.activities(row.process_instance_id)]
        places = _places(row.process_instance_id)
        incidents = {item["activityId"]: item.get("incidentMessage") for item in _incidents(row)}
    except BridgeError as error:
        return _from_events(row, attempts, f"The engine cannot be asked now: {error}")
    elements = _elements(visits)
    _add_attempts(elements, attempts, places, _activities_by_step(row.process_key, xml))
    for activity, message in incidents.items():
        if activity in elements:
            elements[activity].state, elements[activity].message = STUCK, message or elements[activity].message
    return Trail(xml, instance.get("processDefinitionVersion"), elements, _flows(xml, visits))


@lru_cache(maxsize=_KEPT_DIAGRAMS)
def _diagram(definition_id: str) -> str:
    return runtime().engine.definition_xml(definition_id)


def _visit(item: dict[str, Any]) -> _Visit:
    return _Visit(
        item["activityId"],
        parse_date(item["startTime"]),
        parse_date(item["endTime"]) if item.get("endTime") else None,
        item.get("durationInMillis"),
        bool(item.get("canceled")),
        item.get("activityType") in _SCOPES,
    )


def _places(instance_id: str) -> dict[str, str]:
    """External task id -> activity, as far as the log of external tasks is written (history level FULL)."""
    log = runtime().engine.session.get("/history/external-task-log", processInstanceId=instance_id, creationLog="true")
    return {item["externalTaskId"]: item["activityId"] for item in log}


def _incidents(row: ProcessRow) -> list[dict[str, Any]]:
    if row.finished_at is not None and row.incident_id is None:
        return []
    return runtime().engine.incidents_of(row.process_instance_id or "")


def _elements(visits: list[_Visit]) -> dict[str, Element]:
    elements: dict[str, Element] = {}
    for visit in sorted(visits, key=lambda visit: visit.started):
        element = elements.setdefault(visit.activity, Element(DONE))
        element.visits += 1
        if visit.ended is None:
            element.state = RUNNING if visit.is_scope else WAITING
        else:
            element.took_ms = visit.took_ms
            if element.state not in (WAITING, RUNNING):
                element.state = CANCELLED if visit.cancelled else DONE
    return elements


def _add_attempts(
    elements: dict[str, Element],
    attempts: list[PhaseRow],
    places: dict[str, str],
    by_step: dict[str, list[str]],
) -> None:
    tasks: dict[str, dict[str, str]] = {}
    for attempt in attempts:
        task = attempt.external_task_id or ""
        # A task that the log of external tasks does not name is of an instance that this one called.
        places_of = by_step.get(attempt.step_name, []) if not places else [places[task]] if task in places else []
        for activity in places_of:
            element = elements.get(activity)
            if element is None:
                continue
            if attempt.step_name not in element.steps:
                element.steps.append(attempt.step_name)
            states = tasks.setdefault(activity, {})
            if task not in states:
                # A loop comes by with another task: its attempts are counted anew.
                element.attempts = 0
            element.attempts += 1
            element.message = _message(attempt)
            states[task] = attempt.phase
    for activity, states in tasks.items():
        element = elements[activity]
        # What has ended in the engine has ended, whatever an attempt of it says.
        if element.state in (WAITING, RUNNING):
            element.state = _worst(element.state, states.values())


def _message(attempt: PhaseRow) -> str | None:
    return attempt.result if attempt.phase in (FAILED, BPMN_ERROR, LOST) else None


def _worst(state: str, phases: Iterable[str]) -> str:
    """The state of an element of the newest phase of each of its tasks; `state` where none runs or failed."""
    found = set(phases)
    if found & {FAILED, LOST}:
        return STUCK
    return RUNNING if found & set(OPEN_PHASES) else state


def _activities_by_step(process_key: str, xml: str) -> dict[str, list[str]]:
    """Step name -> activities whose topic it handles."""
    process = registry.processes.get(process_key)
    if process is None:
        return {}
    try:
        topics = parse(xml).topics
    except DefinitionError:
        return {}
    return {
        step.name: [activity for activity, topic in topics.items() if topic == step.topic]
        for step in process.steps.values()
    }


def _flows(xml: str, visits: list[_Visit]) -> list[str]:
    """Sequence flows that were taken: those to what was entered first after their source was left."""
    left: dict[str, list[datetime]] = {}
    entered: dict[str, list[datetime]] = {}
    for visit in visits:
        entered.setdefault(visit.activity, []).append(visit.started)
        if visit.ended is not None and not visit.cancelled:
            left.setdefault(visit.activity, []).append(visit.ended)
    ways: dict[str, list[tuple[str, str]]] = {}
    for flow, source, target in sequence_flows(xml):
        ways.setdefault(source, []).append((flow, target))
    taken: dict[str, None] = {}
    for source, out in ways.items():
        for end in left.get(source, []):
            entries = [(flow, start) for flow, target in out if (start := _next(entered.get(target, []), end))]
            soonest = min((start for _, start in entries), default=end)
            taken |= {flow: None for flow, start in entries if start - soonest <= _TOGETHER}
    return list(taken)


def _next(starts: list[datetime], end: datetime) -> datetime | None:
    return min((start for start in starts if start >= end), default=None)


def _from_events(row: ProcessRow, attempts: list[PhaseRow], note: str) -> Trail:
    process = registry.processes.get(row.process_key)
    if process is None:
        raise LookupError(f"no process {row.process_key!r} here, and its diagram cannot be had from the engine")
    try:
        xml = process.bpmn_path.read_text("utf-8")
    except OSError as error:
        raise LookupError(f"{process.bpmn_path.name}: {error.strerror}") from None
    by_step = _activities_by_step(row.process_key, xml)
    elements: dict[str, Element] = {}
    for attempt in attempts:
        for activity in by_step.get(attempt.step_name, []):
            element = elements.setdefault(activity, Element(RUNNING, visits=1))
            element.attempts += 1
            element.steps = [attempt.step_name]
            if attempt.phase in (COMPLETED, BPMN_ERROR):
                element.state, element.took_ms = DONE, attempt.execution_time
            else:
                element.state = _worst(RUNNING, [attempt.phase])
            element.message = _message(attempt)
    return Trail(xml, None, elements, [], note)
