"""Where a process has been on its diagram: the engine's history, with the attempts of the event log put to it.

While the engine is away, or has no instance yet, what the event log says of the steps is all there is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from camunda_bridge.bpmn import parse
from camunda_bridge.errors import BridgeError, DefinitionError, NotFound
from camunda_bridge.flows import BODY, read
from service.history.flows_taken import Visit, flows_taken
from store.event_rows import BPMN_ERROR, COMPLETED, FAILED, LOST, OPEN_PHASES, OUTCOME_UNKNOWN, PhaseRow
from store.process_rows import ProcessRow
from tasks.processes import registry
from tasks.runtime import runtime

#: states of an element; `waiting`: for a message, a timer, a person, or a worker
DONE, RUNNING, WAITING, STUCK, CANCELLED = "done", "running", "waiting", "failed", "cancelled"
#: diagrams of definitions that are kept: they never change
_KEPT_DIAGRAMS = 64
#: visits of one instance that are looked at, the newest, and as many external tasks
MOST_VISITS = 2_000
#: phases after which the engine has no task any more
_OVER = frozenset({COMPLETED, BPMN_ERROR, OUTCOME_UNKNOWN})


@dataclass(slots=True)
class Element:
    """What happened at one element of a diagram.

    Attributes:
        visits: how often it was entered.
        instances: of a multi-instance activity, how many it had in all its visits.
        attempts: of its newest external task.
        took_ms: its newest visit that ended.
        message: of its newest attempt, or of its incident, when that did not go well.
    """

    state: str
    visits: int = 0
    instances: int = 0
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
        found = engine.newest_activities(row.process_instance_id, limit=MOST_VISITS)
        places = engine.newest_task_places(row.process_instance_id, limit=MOST_VISITS)
        incidents = _incidents(row)
    except NotFound as error:
        return _from_events(row, attempts, f"The engine does not have the diagram of this instance any more: {error}")
    except BridgeError as error:
        return _from_events(row, attempts, f"The engine cannot be asked now: {error}")
    # The engine's order holds along one path; stable, so it tells which of two at one time came first.
    visits = sorted(map(Visit.of, found), key=lambda visit: visit.started)
    elements = _elements(visits)
    _add_attempts(elements, attempts, places, _activities_by_step(row.process_key, xml))
    _add_incidents(elements, incidents)
    note = "" if len(found) < MOST_VISITS else f"Only the newest {MOST_VISITS:,} visits of elements are shown."
    return Trail(xml, instance.get("processDefinitionVersion"), elements, flows_taken(read(xml), visits), note)


@lru_cache(maxsize=_KEPT_DIAGRAMS)
def _diagram(definition_id: str) -> str:
    return runtime().engine.definition_xml(definition_id)


def _incidents(row: ProcessRow) -> list[dict[str, Any]]:
    if row.finished_at is not None and row.incident_id is None:
        return []
    return runtime().engine.incidents_of(row.process_instance_id or "")


def _add_incidents(elements: dict[str, Element], incidents: list[dict[str, Any]]) -> None:
    for incident in incidents:
        # A job that fails before its activity begins leaves no visit.
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
    return attempt.result if attempt.phase in (FAILED, BPMN_ERROR, LOST, OUTCOME_UNKNOWN) else None


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


def _from_events(row: ProcessRow, attempts: list[PhaseRow], note: str) -> Trail:
    process = registry.processes.get(row.process_key)
    if process is None:
        raise LookupError(f"no process {row.process_key!r} here, and its diagram cannot be had from the engine")
    try:
        xml = process.bpmn_path.read_text("utf-8")
        several = read(xml).multi_instances
    except OSError as error:
        raise LookupError(f"{process.bpmn_path.name}: {error.strerror}") from None
    except DefinitionError as error:
        raise LookupError(f"{process.bpmn_path.name}: {error}") from None
    by_step = _activities_by_step(row.process_key, xml)
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
        element.visits, element.instances = (1, len(newest)) if activity in several else (len(newest), 0)
        element.state = _last_state(row, [attempt.phase for attempt in newest.values()])
        took = [attempt.execution_time for attempt in newest.values() if attempt.phase in _OVER]
        element.took_ms = took[-1] if took else None
    return Trail(xml, None, elements, [], note)


def _last_state(row: ProcessRow, phases: list[str]) -> str:
    """What the newest phases of an element's tasks say, with nothing of the engine to go by."""
    if all(phase in _OVER for phase in phases):
        return DONE
    state = _worst(RUNNING, phases)
    # What was still to be done when the process ended, will not be.
    return CANCELLED if row.finished_at is not None and row.incident_id is None and state == RUNNING else state
