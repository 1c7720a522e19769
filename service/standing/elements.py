"""Find out where a running process stands: its active elements, and what each of them waits for.

The engine is asked about the instance and the instances that it called, within a bounded time. If it does not answer,
the result says so and is otherwise empty: nobody waits for the engine to learn the status of a process.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from camunda_bridge.bpmn import Diagram
from camunda_bridge.client import Engine
from camunda_bridge.errors import BridgeError, DefinitionError, EngineRefused, EngineUnavailable, NotFound
from camunda_bridge.json_form import rfc3339
from camunda_bridge.variables import parse_date
from service.standing.fields import needed_fields
from service.standing.workers import WorkerWaits
from store.process_rows import PENDING, ProcessRow
from tasks.runtime import runtime

#: longest wait for one answer of the engine, in milliseconds, and for all together, in seconds
ENGINE_TIMEOUT_MS = 1_000
DEADLINE_S = 2.0
#: most instances that are looked into: the process and those that it called
MOST_INSTANCES = 20
#: most user tasks whose candidates are read
MOST_TASKS = 20
#: suffix of the activity around the instances of a multi-instance
_BODY = "#multiInstanceBody"


@dataclass(slots=True)
class ActiveElement:
    """An element at which a process is.

    Attributes:
        id: its id in the diagram; of the process itself, for an event sub-process of the whole process, its key.
        name: its name in the diagram; None without one.
        kind: the name of its BPMN element, such as `userTask`; `process` for the process itself.
        since: when the oldest of its instances began; None if the engine does not tell.
        count: how many instances it has, of a multi-instance for example.
        process_key: the process that it belongs to: the one started, or one that was called.
        waits_for: what it waits for. Each has a `kind`, and further members by its kind.
    """

    id: str
    name: str | None
    kind: str
    since: str | None
    process_key: str
    count: int = 1
    waits_for: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a process stands.

    Attributes:
        elements: its active elements.
        suspended: True while the engine lets nothing in it go on: the process, or before it has an instance its process
            definition, is suspended.
        note: what is missing, and why; None if nothing is missing.
    """

    elements: list[ActiveElement] = field(default_factory=list)
    suspended: bool = False
    note: str | None = None


def standing_of(row: ProcessRow) -> Standing:
    """Where the process of `row` stands. An ended process stands nowhere: the engine is not asked about it."""
    if row.status != PENDING and row.incident_id is None:
        return Standing()
    if row.process_instance_id is None:
        return _not_started(row)
    look = _Look(row)
    try:
        look.at(row.process_instance_id)
        look.at_suspension(row.process_instance_id)
    except NotFound:
        return Standing(note="the instance has ended in the engine; the status of the process follows")
    except BridgeError as error:
        look.notes.append(f"the engine gives no answer: {error}")
    return Standing(look.elements, look.is_suspended, "; ".join(look.notes) or None)


def _not_started(row: ProcessRow) -> Standing:
    try:
        found = _impatient(runtime().engine).newest_definitions([row.process_key]).get(row.process_key)
    except BridgeError:
        found = None
    if found is not None and found["suspended"]:
        return Standing(suspended=True, note="its process definition is suspended in the engine: the start waits")
    return Standing(note="the process has no instance in the engine yet: its start is in a queue")


@lru_cache(maxsize=4)
def _impatient(shared: Engine) -> Engine:
    return Engine.like(shared, timeout_ms=ENGINE_TIMEOUT_MS)


class _Look:
    """One look at an instance and those that it called."""

    def __init__(self, row: ProcessRow) -> None:
        self.notes: list[str] = []
        self.is_suspended = False
        self._instances: list[_Instance] = []
        self._engine = _impatient(runtime().engine)
        self._until = time.monotonic() + DEADLINE_S
        self._workers = WorkerWaits(row.correlation_id)

    @property
    def elements(self) -> list[ActiveElement]:
        """What has been found so far."""
        return [element for instance in self._instances for element in instance.elements.values()]

    def at(self, instance_id: str) -> None:
        """Add the elements of an instance, then those of the instances that it called."""
        tree = self._ask().activity_tree(instance_id)
        definition_id = tree["processDefinitionId"]
        one = _Instance(instance_id, self._ask().definition(definition_id).key, self._diagram(definition_id))
        self._instances.append(one)
        history = self._ask().unfinished_activities(instance_id)
        since = {item["id"]: item["startTime"] for item in history}
        one.began = {item["activityId"]: item["startTime"] for item in history}
        for leaf in _leaves(tree):
            one.enter(leaf, since.get(leaf["id"]))
        for add in (self._add_subscriptions, self._add_jobs, self._add_persons, self._add_workers):
            try:
                add(one, definition_id)
            except EngineRefused as error:
                # The login of this service lacks a permission, for example: what the other requests show is kept.
                self.notes.append(str(error))
        for called_id, element in [
            (item["calledProcessInstanceId"], item["activityId"]) for item in history if item["calledProcessInstanceId"]
        ]:
            self._follow(one.host(element), called_id)

    def at_suspension(self, instance_id: str) -> None:
        """Read whether the instance is suspended."""
        self.is_suspended = self._ask().is_suspended(instance_id)

    def _follow(self, caller: ActiveElement, called_id: str) -> None:
        caller.waits_for.append({"kind": "process", "processInstanceId": called_id})
        if len(self._instances) >= MOST_INSTANCES:
            self.notes[:] = [f"only {MOST_INSTANCES} instances are shown"]
            return
        try:
            self.at(called_id)
        except NotFound:
            # It has ended between two requests.
            return

    def _ask(self) -> Engine:
        if time.monotonic() > self._until:
            raise EngineUnavailable(f"it took longer than {DEADLINE_S:.0f} s", maybe_done=False)
        return self._engine

    @staticmethod
    def _diagram(definition_id: str) -> Diagram | None:
        try:
            return runtime().deployed_diagram(definition_id)
        except (DefinitionError, NotFound):
            return None

    def _add_subscriptions(self, one: _Instance, _definition_id: str) -> None:
        names: set[str] | None = None
        for item in self._ask().event_subscriptions(one.id):
            if item["eventType"] == "compensate":
                continue
            kind = {"conditional": "condition"}.get(item["eventType"], item["eventType"])
            wait = {"kind": kind, "name": item["eventName"], "event": item["activityId"]}
            if kind == "message":
                if names is None:
                    names = self._ask().variable_names(one.id)
                wait["fields"] = needed_fields(one.diagram, item["activityId"], names)
            one.host(item["activityId"]).waits_for.append(wait)

    def _add_jobs(self, one: _Instance, definition_id: str) -> None:
        jobs = self._ask().jobs(one.id)
        places = self._ask().job_elements(definition_id) if jobs else {}
        for job in jobs:
            element, kind = places.get(job["jobDefinitionId"], (job["failedActivityId"] or one.key, ""))
            host = one.host(element)
            # An element that the engine has not entered yet has no beginning, its job has.
            host.since = host.since or as_rfc3339(job.get("createTime"))
            host.waits_for.append(_of_job(job, element, is_timer=kind.startswith("timer")))

    def _add_workers(self, one: _Instance, _definition_id: str) -> None:
        # Any element may be an external task if the diagram is not known.
        if one.diagram is None or any(element in one.diagram.topics for element in one.elements):
            for task in self._ask().external_tasks_of(one.id):
                one.host(task["activityId"]).waits_for.append(self._workers.wait_of(task))

    def _add_persons(self, one: _Instance, _definition_id: str) -> None:
        if not one.has_kind("userTask"):
            return
        for place, task in enumerate(self._ask().user_tasks(one.id)):
            users, groups = self._ask().candidates(task["id"]) if place < MOST_TASKS else ([], [])
            one.host(task["taskDefinitionKey"]).waits_for.append(
                {
                    "kind": "person",
                    "task": task["name"],
                    "taskId": task["id"],
                    "assignee": task["assignee"],
                    "candidateUsers": users,
                    "candidateGroups": groups,
                    "due": as_rfc3339(task["due"]),
                }
            )


@dataclass(slots=True)
class _Instance:
    """The active elements of one instance, by id."""

    id: str
    key: str
    diagram: Diagram | None
    elements: dict[str, ActiveElement] = field(default_factory=dict)
    #: element id -> the beginning of one of its activity instances, for scopes
    began: dict[str, str] = field(default_factory=dict)

    def enter(self, leaf: dict[str, Any], since: str | None) -> None:
        """Add an activity instance of the engine's tree."""
        element_id = leaf["activityId"].removesuffix(_BODY)
        moment = as_rfc3339(since)
        known = self.elements.get(element_id)
        if known is None:
            self.elements[element_id] = self._element(element_id, leaf["activityName"], leaf["activityType"], moment)
            return
        known.count += 1
        known.since = min(filter(None, (known.since, moment)), default=None)

    def has_kind(self, kind: str) -> bool:
        """True if one of the elements is of this kind."""
        return any(element.kind == kind for element in self.elements.values())

    def host(self, event_id: str) -> ActiveElement:
        """The active element that waits at an event: itself, its activity or scope, or the gateway before it.

        A scope is added to the elements: it is active because something inside of it is.
        """
        event_id = event_id.removesuffix(_BODY)
        for candidate in (event_id, *self._around(event_id)):
            if candidate in self.elements:
                return self.elements[candidate]
        return self.elements.setdefault(event_id, self._element(event_id, None, "", None))

    def _around(self, event_id: str) -> Iterator[str]:
        node = None if self.diagram is None else self.diagram.node(event_id)
        if node is None:
            return
        yield from (before.id for before in node.incoming if before.kind == "eventBasedGateway")
        scope = node.attached_to
        if scope is None and node.kind == "startEvent" and node.scope is not None:
            # An event sub-process waits in the scope around it.
            scope = node.scope.scope
        if scope is None:
            return
        since = as_rfc3339(self.began.get(scope.id))
        self.elements.setdefault(scope.id, self._element(scope.id, scope.name or None, scope.kind, since))
        yield scope.id

    def _element(self, element_id: str, name: str | None, kind: str, since: str | None) -> ActiveElement:
        node = None if self.diagram is None else self.diagram.node(element_id)
        if node is not None:
            name, kind = name or node.name or None, node.kind
        return ActiveElement(element_id, name, kind, since, self.key)


def _leaves(tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The innermost activity instances of the engine's tree, and the elements that it has not entered yet."""
    for child in tree["childActivityInstances"]:
        if child["childActivityInstances"] or child["childTransitionInstances"]:
            yield from _leaves(child)
        else:
            yield child
    yield from tree["childTransitionInstances"]


def _of_job(job: dict[str, Any], element: str, *, is_timer: bool) -> dict[str, Any]:
    due = as_rfc3339(job["dueDate"])
    if job["retries"] == 0:
        return {"kind": "incident", "message": job["exceptionMessage"]}
    if job["exceptionMessage"] and not is_timer:
        return {"kind": "retry", "left": job["retries"], "at": due, "message": job["exceptionMessage"]}
    return {"kind": "timer", "due": due, "event": element} if is_timer else {"kind": "job", "at": due}


def as_rfc3339(moment: str | None) -> str | None:
    """A time of the engine in the form of the API."""
    return None if moment is None else rfc3339(parse_date(moment))
