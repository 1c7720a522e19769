"""Run a drawn diagram with the product: with the testing kit, and with the workers' code on a store and a broker."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camunda_bridge import BusinessRuleError, StepContext
from camunda_bridge.client import Engine
from camunda_bridge.definition import ProcessDefinition
from camunda_bridge.locks import new_token
from store.event_rows import OPS
from store.process_rows import PENDING, NewProcess
from tasks.broker.step_message import StepMessage
from tasks.fetching.fetch import fetch
from tasks.processes import registry
from tasks.runtime import Runtime
from tasks.settling import reconcile
from tasks.starts import start
from tasks.steps import run
from testkit import ProcessRun
from testkit.isolation import Deployments, delete_deployments
from tests.property import bpmn
from tests.property.diagram import Diagram, Scope, Step, parts_of

#: most tasks that one poll fetches
FETCHED = 10


#: id of a step, and the turn of a multi-instance in which its handler was called
Called = tuple[str, int | None]


@dataclass(frozen=True)
class Observed:
    """The end of a process in the product, and the steps whose handlers were called, in order, each with its turn."""

    status: str
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    calls: list[Called]
    #: names of the event log's entries that are no attempts
    ops: tuple[str | None, ...] = ()


def by_testkit(engine: Engine, diagram: Diagram, folder: Path) -> Observed:
    """Run the diagram with the testing kit."""
    calls: list[Called] = []
    processes = _processes(diagram, folder, calls)
    deployments = Deployments(engine)
    try:
        run = ProcessRun(deployments, processes[0], {}, calls=processes[1:])
        return Observed(run.status, run.result, run.error, calls)
    finally:
        deployments.delete()


def by_workers(runtime: Runtime, messages: deque[StepMessage], diagram: Diagram, folder: Path) -> Observed:
    """Run the diagram like a start through the API, with one slot and the queue `messages`.

    At the end one round of the reconciler runs.
    """
    calls: list[Called] = []
    name = f"drawn-{uuid.uuid4().hex[:12]}"
    processes = _processes(diagram, folder, calls, prefix=f"{name}-")
    for process in processes:
        registry.add(process)
        runtime.engine.deploy(name, {process.bpmn_path.name: process.bpmn_path.read_bytes()})
    try:
        row_id = uuid.uuid4()
        runtime.processes.accept(NewProcess(row_id, name, "h", processes[0].key, {}, name))
        start._start_claimed(row_id, new_token(), None)
        while messages or fetch(registry.topics(), max_tasks=FETCHED).enqueued:
            run.run_step(messages.popleft().dump())
        reconcile.settle_incidents()
        reconcile.sweep_running()
        row = runtime.processes.by_id(row_id)
        assert row is not None
        status = "incident" if row.incident_id else "waiting" if row.status == PENDING else row.status
        ops = tuple(event.result for event in runtime.events.by_correlation_id(name) if event.phase == OPS)
        return Observed(status, row.result, row.error, calls, ops)
    finally:
        messages.clear()
        for process in processes:
            _forget(process)
        delete_deployments(runtime.engine, name)


def _processes(diagram: Diagram, folder: Path, calls: list[Called], prefix: str = "") -> list[ProcessDefinition]:
    texts = bpmn.files(diagram, prefix)
    return [
        _process(key, text, scope, folder, calls)
        for (key, text), scope in zip(texts.items(), diagram.processes.values(), strict=True)
    ]


def _process(key: str, text: str, scope: Scope, folder: Path, calls: list[Called]) -> ProcessDefinition:
    path = folder / f"{key}.bpmn"
    path.write_text(text)
    process = ProcessDefinition(key, path)
    for one in (part for part in parts_of(scope) if isinstance(part, Step)):
        retries = 1 if one.fails_first else 0
        process.step(one.id, outcome=one.outcome, retries=retries, retry_base_s=0)(_handler(one, calls))
    return process


def _handler(of: Step, calls: list[Called]) -> Callable[[Any, StepContext], dict[str, Any]]:
    def handler(given: Any, context: StepContext) -> dict[str, Any]:
        turn = given.get("loopCounter")
        calls.append((of.id, turn))
        if of.fails_first and context.attempt == 1:
            raise RuntimeError("partner answers 503")
        if of.in_turn in (None, turn):
            if of.raises is not None:
                raise BusinessRuleError(of.raises, "refused")
            if of.fails:
                raise RuntimeError("partner answers 400")
        return dict(of.returns)

    return handler


def _forget(process: ProcessDefinition) -> None:
    registry.processes.pop(process.key, None)
    for topic in process.steps:
        registry._steps.pop(topic, None)
    registry._families.clear()
    registry._called = None
