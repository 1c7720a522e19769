"""A drawn diagram through the product: by the testing kit, and by the workers' own code on a store and a broker."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camunda_bridge import BusinessRuleError
from camunda_bridge.client import Engine
from camunda_bridge.definition import ProcessDefinition
from camunda_bridge.locks import new_token
from store.processes import PENDING, NewProcess
from tasks import follow, reconcile, start, step
from tasks.messages import StepMessage
from tasks.processes import registry
from tasks.runtime import Runtime
from testkit import ProcessRun
from testkit.isolation import Deployments, delete_deployments
from tests.property import bpmn
from tests.property.diagram import Diagram, Scope, Step, parts_of

#: most tasks that one poll fetches
FETCHED = 10


@dataclass(frozen=True)
class Told:
    """What the product told of an end, and the ids of the steps whose handlers it called, in order."""

    status: str
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    calls: list[str]


def by_testkit(engine: Engine, diagram: Diagram, folder: Path) -> Told:
    """By the testing kit."""
    calls: list[str] = []
    processes = _processes(diagram, folder, calls)
    deployments = Deployments(engine)
    try:
        run = ProcessRun(deployments, processes[0], {}, calls=processes[1:])
        return Told(run.status, run.result, run.error, calls)
    finally:
        deployments.delete()


def by_workers(runtime: Runtime, messages: deque[StepMessage], diagram: Diagram, folder: Path) -> Told:
    """As a start through the API, with one slot; `messages` is the queue of steps.

    At the end comes one round of the reconciler.
    """
    calls: list[str] = []
    name = f"drawn-{uuid.uuid4().hex[:12]}"
    processes = _processes(diagram, folder, calls, prefix=f"{name}-")
    for process in processes:
        registry.add(process)
        runtime.engine.deploy(name, {process.bpmn_path.name: process.bpmn_path.read_bytes()})
    try:
        row_id = uuid.uuid4()
        runtime.processes.accept(NewProcess(row_id, name, "h", processes[0].key, {}, name))
        start._start_ours(row_id, new_token(), None)
        while messages or follow.fetch(registry.topics(), max_tasks=FETCHED).enqueued:
            step.run_step(messages.popleft().dump())
        reconcile.settle_incidents()
        reconcile.sweep_running()
        row = runtime.processes.by_id(row_id)
        assert row is not None
        status = "incident" if row.incident_id else "waiting" if row.status == PENDING else row.status
        return Told(status, row.result, row.error, calls)
    finally:
        messages.clear()
        for process in processes:
            _forget(process)
        delete_deployments(runtime.engine, name)


def _processes(diagram: Diagram, folder: Path, calls: list[str], prefix: str = "") -> list[ProcessDefinition]:
    texts = bpmn.files(diagram, prefix)
    return [
        _process(key, text, scope, folder, calls)
        for (key, text), scope in zip(texts.items(), diagram.processes.values(), strict=True)
    ]


def _process(key: str, text: str, scope: Scope, folder: Path, calls: list[str]) -> ProcessDefinition:
    path = folder / f"{key}.bpmn"
    path.write_text(text)
    process = ProcessDefinition(key, path)
    for one in (part for part in parts_of(scope) if isinstance(part, Step)):
        process.step(one.id, outcome=one.outcome, retries=0)(_handler(one, calls))
    return process


def _handler(of: Step, calls: list[str]) -> Callable[[Any], dict[str, Any]]:
    def handler(given: Any) -> dict[str, Any]:
        calls.append(of.id)
        if of.raises is not None:
            raise BusinessRuleError(of.raises, "refused")
        if of.fails:
            raise RuntimeError("partner answers 503")
        return dict(of.returns)

    return handler


def _forget(process: ProcessDefinition) -> None:
    registry.processes.pop(process.key, None)
    for topic in process.steps:
        registry._steps.pop(topic, None)
    registry._families.clear()
    registry._called = None
