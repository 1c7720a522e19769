"""A drawn diagram through the product: deployed, run by the testing kit, and the order in which its handlers were called."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from camunda_bridge import BusinessRuleError
from camunda_bridge.client import Engine
from camunda_bridge.definition import ProcessDefinition
from testkit import ProcessRun
from testkit.isolation import Deployments
from tests.property import bpmn
from tests.property.diagram import Diagram, Scope, Step


def run(engine: Engine, diagram: Diagram, folder: Path) -> tuple[ProcessRun, list[str]]:
    """The run, and the ids of the steps whose handlers were called, in order."""
    calls: list[str] = []
    processes = [
        _process(key, text, diagram.main if key == "main" else diagram.called[key], folder, calls)
        for key, text in bpmn.files(diagram).items()
    ]
    deployments = Deployments(engine)
    try:
        return ProcessRun(deployments, processes[0], {}, calls=processes[1:]), calls
    finally:
        deployments.delete()


def _process(key: str, text: str, scope: Scope, folder: Path, calls: list[str]) -> ProcessDefinition:
    path = folder / f"{key}.bpmn"
    path.write_text(text)
    process = ProcessDefinition(key, path)
    for step in steps_of(scope):
        process.step(step.id, outcome=step.outcome, retries=0)(_handler(step, calls))
    return process


def _handler(step: Step, calls: list[str]) -> Callable[[Any], dict[str, Any]]:
    def handler(given: Any) -> dict[str, Any]:
        calls.append(step.id)
        if step.raises is not None:
            raise BusinessRuleError(step.raises, "refused")
        if step.fails:
            raise RuntimeError("partner answers 503")
        return dict(step.returns)

    return handler


def steps_of(part: Any) -> Iterator[Step]:
    """The external tasks of a scope, wherever they stand in it."""
    if isinstance(part, Step):
        yield part
    if isinstance(part, tuple):
        for one in part:
            yield from steps_of(one)
    elif part is not None:
        for name in ("items", "end", "handlers", "scope", "branches", "boundaries"):
            yield from steps_of(getattr(part, name, None))
