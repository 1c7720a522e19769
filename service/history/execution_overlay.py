"""The execution overlay of a process: the elements that it passed, from the engine's history and the event log.

While the engine is unavailable, or has no instance yet, the overlay has only the steps of the event log.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from camunda_bridge.bpmn import Diagram
from camunda_bridge.errors import BridgeError, DefinitionError, NotFound
from service.history.flows_taken import BODY, Visit, flows_taken
from store.event_rows import BPMN_ERROR, COMPLETED, FAILED, LOST, OPEN_PHASES, OUTCOME_UNKNOWN, PhaseRow
from store.process_rows import ProcessRow
from tasks.processes import registry
from tasks.runtime import runtime

#: states of an element; one that is `waiting` waits for a message, a timer, a person, or a worker
DONE, RUNNING, WAITING, STUCK, CANCELLED = "done", "running", "waiting", "failed", "cancelled"
#: newest visits of one instance that are read, and as many external tasks
MOST_VISITS = 2_000
#: phases after which the engine does not have the task any more
_OVER = frozenset({COMPLETED, BPMN_ERROR, OUTCOME_UNKNOWN})


@dataclass(slots=True)
class Element:
    """One element of a diagram, and what happened there.

    Attributes:
        state: one of the states above.
        visits: how often it was entered.
        instances: of a multi-instance activity: how many instances it had in all its visits.
        attempts: the attempts of its newest external task.
        took_ms: the duration of its newest ended visit, in milliseconds.
        message: the message of its incident, or of its newest attempt if that did not complete.
        steps: names of the steps that ran there.
    """

    state: str
    visits: int = 0
    instances: int = 0
    attempts: int = 0
    took_ms: int | None = None
    message: str | None = None
    steps: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ExecutionOverlay:
    """The elements and flows that a process has passed, with its diagram.

    Attributes:
        xml: the diagram of the instance's version; if the engine does not return it, the file of this installation.
        version: the version of the definition; None if the diagram is the file.
        elements: the passed elements, by their ids in the diagram.
        flows: ids of the sequence flows that were taken.
        note: what is missing, and why; empty if nothing is missing.
    """

    xml: str
    version: int | None
    elements: dict[str, Element]
    flows: list[str]
    note: str = ""


def overlay_of(row: ProcessRow, events: Iterable[PhaseRow]) -> ExecutionOverlay:
    """The execution overlay of a process.

    Args:
        row: the process.
        events: the phases of its attempts, oldest first.

    Raises:
        LookupError: there is no diagram, neither in the engine nor in this installation.
    """
    attempts = [event for event in events if event.external_task_id is not None]
    if row.process_instance_id is None:
        return _from_events(row, attempts, "The process has not begun in the engine yet.")
    engine = runtime().engine
    try:
        instance = engine.historic_instance(row.process_instance_id)
        if instance is None:
            return _from_events(row, attempts, "The engine's history does not have this instance any more.")
        diagram = runtime().deployed_diagram(instance["processDefinitionId"])
        found = engine.newest_activities(row.process_instance_id, limit=MOST_VISITS)
        places = engine.newest_task_places(row.process_instance_id, limit=MOST_VISITS)
        incidents = _incidents(row)
    except NotFound as error:
        return _from_events(row, attempts, f"The engine does not have the diagram of this instance any more: {error}")
    except BridgeError as error:
        return _from_events(row, attempts, f"The engine is unavailable: {error}")
    # The engine's order is right along one path. The sort is stable, so of two visits at one time it keeps that order.
    visits = sorted(map(Visit.of, found), key=lambda visit: visit.started)
    elements = _elements(visits)
    _add_attempts(elements, attempts, places, _activities_by_step(row.process_key, diagram))
    _add_incidents(elements, incidents)
    note = "" if len(found) < MOST_VISITS else f"Only the newest {MOST_VISITS:,} visits of elements are shown."
    version = instance.get("processDefinitionVersion")
    return ExecutionOverlay(diagram.xml, version, elements, flows_taken(diagram, visits), note)


def _incidents(row: ProcessRow) -> list[dict[str, Any]]:
    if row.finished_at is not None and row.incident_id is None:
        return []
    return runtime().engine.incidents_of(row.process_instance_id or "")


def _add_incidents(elements: dict[str, Element], incidents: list[dict[str, Any]]) -> None:
    for incident in incidents:
        # If a job fails before its activity begins, the activity has no visit.
        element = elements.setdefault((incident["activityId"] or "").removesuffix(BODY), Element(STUCK))
        element.state, element.message = STUCK, incident.get("incidentMessage") or element.message


def _elements(visits: list[Visit]) -> dict[str, Element]:
    elements: dict[str, Element] = {}
    several = {visit.activity for visit in visits if visit.is_body}
    for visit in visits:
        element = elements.setdefault(visit.activity, Element(DONE))
        is_instance = visit.activity in several and not visit.is_body
        if is_instance:
            element.instances += 1
        else:
            element.visits += 1
        if visit.ended is None:
            element.state = RUNNING if visit.is_scope and element.state != WAITING else WAITING
        elif not is_instance:
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
        # A task that is not in the instance's log of external tasks is of an instance that this one called.
        places_of = by_step.get(attempt.step_name, []) if not places else [places[task]] if task in places else []
        for activity in places_of:
            element = elements.get(activity)
            if element is None:
                continue
            if attempt.step_name not in element.steps:
                element.steps.append(attempt.step_name)
            states = tasks.setdefault(activity, {})
            if task not in states:
                # A loop enters the activity again with another task: only the newest task's attempts are counted.
                element.attempts = 0
            element.attempts += 1
            element.message = _message(attempt)
            states[task] = attempt.phase
    for activity, states in tasks.items():
        element = elements[activity]
        # An activity that has ended in the engine keeps that state, whatever the phase of its attempt is.
        if element.state in (WAITING, RUNNING):
            element.state = _worst(element.state, states.values())


def _message(attempt: PhaseRow) -> str | None:
    return attempt.result if attempt.phase in (FAILED, BPMN_ERROR, LOST, OUTCOME_UNKNOWN) else None


def _worst(state: str, phases: Iterable[str]) -> str:
    """The state of an element, from the newest phase of each of its tasks; `state` if no task runs or failed."""
    found = set(phases)
    if found & {FAILED, LOST}:
        return STUCK
    return RUNNING if found & set(OPEN_PHASES) else state


def _activities_by_step(process_key: str, diagram: Diagram) -> dict[str, list[str]]:
    """Step name -> the activities whose topic the step handles."""
    process = registry.processes.get(process_key)
    if process is None:
        return {}
    return {
        step.name: [activity for activity, topic in diagram.topics.items() if topic == step.topic]
        for step in {**registry.shared, **process.steps}.values()
    }


def _from_events(row: ProcessRow, attempts: list[PhaseRow], note: str) -> ExecutionOverlay:
    process = registry.processes.get(row.process_key)
    if process is None:
        raise LookupError(
            f"no process {row.process_key!r} in this installation, and the engine does not return its diagram"
        )
    try:
        diagram = process.diagram()
    except DefinitionError as error:
        raise LookupError(str(error)) from None
    by_step = _activities_by_step(row.process_key, diagram)
    elements: dict[str, Element] = {}
    tasks: dict[str, dict[str, PhaseRow]] = {}
    for attempt in attempts:
        for activity in by_step.get(attempt.step_name, []):
            element = elements.setdefault(activity, Element(RUNNING))
            newest = tasks.setdefault(activity, {})
            task = attempt.external_task_id or ""
            element.attempts = element.attempts + 1 if task in newest else 1
            newest[task] = attempt
            element.steps = [attempt.step_name]
            element.message = _message(attempt)
    for activity, newest in tasks.items():
        element = elements[activity]
        element.visits, element.instances = (
            (1, len(newest)) if activity in diagram.multi_instances else (len(newest), 0)
        )
        element.state = _last_state(row, [attempt.phase for attempt in newest.values()])
        took = [attempt.execution_time for attempt in newest.values() if attempt.phase in _OVER]
        element.took_ms = took[-1] if took else None
    return ExecutionOverlay(diagram.xml, None, elements, [], note)


def _last_state(row: ProcessRow, phases: list[str]) -> str:
    """The state of an element from the newest phases of its tasks alone, without the engine."""
    if all(phase in _OVER for phase in phases):
        return DONE
    state = _worst(RUNNING, phases)
    # A task that was still open when the process ended will not run any more.
    return CANCELLED if row.finished_at is not None and row.incident_id is None and state == RUNNING else state
