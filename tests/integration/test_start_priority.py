"""The priority of a start in its instance: the diagram may use it for its tasks, and the step is told."""

from __future__ import annotations

import uuid

import pytest

from camunda_bridge import StepContext
from camunda_bridge.context import CONTEXT_VARIABLE, ExecutionContext
from camunda_bridge.variables import to_engine
from store.process_rows import NewProcess
from tasks.broker.step_message import StepMessage
from tasks.broker.worker_capacity import send_heartbeat, worker_capacity
from tasks.fetching.follow import fetch_from_backlog
from tasks.processes import registry
from tasks.starts.start import start_process
from tasks.steps import run as step_module
from tests.contract.bpmn import external, process
from tests.integration.step_bench import Bench
from tests.integration.test_topic_limits import message

#: what the reference shows
PRIORITY = "${executionContext.prop('priority').numberValue()}"


@pytest.fixture
def contexts(bench: Bench) -> list[StepContext]:
    """What the step was told; its tasks have the priority of the start."""
    seen: list[StepContext] = []

    def work(given: dict[str, object], context: StepContext) -> dict[str, object]:
        seen.append(context)
        return {}

    bench.definition.step("a")(work)
    diagram = process(bench.key, external("a", taskPriority=PRIORITY))
    bench.definition.bpmn_path.write_text(diagram)
    registry.add(bench.definition)
    bench.engine.deploy(bench.key, {bench.definition.bpmn_path.name: diagram.encode()})
    return seen


def accept(bench: Bench, name: str, priority: int) -> str:
    new = NewProcess(uuid.uuid4(), f"{bench.key}-{name}", "h", bench.key, {}, "trace", priority=priority)
    assert bench.runtime.processes.accept(new)
    return str(new.id)


def test_task_has_the_priority_of_its_start_and_the_step_is_told(bench: Bench, contexts: list[StepContext]) -> None:
    send_heartbeat(bench.runtime.redis, "worker", 8, 0)
    start_process(accept(bench, "urgent", 4))
    step_module.run_step(message(bench))
    assert [(context.start_priority, context.priority) for context in contexts] == [(4, 4)]


def test_instance_that_was_started_elsewhere_has_priority_0(bench: Bench, contexts: list[StepContext]) -> None:
    send_heartbeat(bench.runtime.redis, "worker", 8, 0)
    bench.engine.start(bench.key, bench.key, to_engine({}))
    step_module.run_step(bench.fetch().dump())
    assert [(context.start_priority, context.priority) for context in contexts] == [(0, 0)]


def test_free_slot_gets_the_first_step_of_the_start_with_the_highest_priority(
    bench: Bench, contexts: list[StepContext]
) -> None:
    for name, priority in {"bulk": -5, "plain": 0, "urgent": 5}.items():
        context = ExecutionContext(str(uuid.uuid4()), name, "trace", priority=priority)
        bench.engine.start(bench.key, name, to_engine({CONTEXT_VARIABLE: context.to_variable()}))
    # They wait in the engine for a slot.
    worker_capacity().mark_backlog()
    worker_capacity().read(fresh=True)
    found = []
    while fetch_from_backlog():
        found.append(StepMessage.load(message(bench)).task.business_key)
    assert found == ["urgent", "plain", "bulk"]
