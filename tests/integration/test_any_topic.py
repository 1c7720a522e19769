"""A step with a topic of its own: at several elements, told which, and beside others who use the same topic."""

from __future__ import annotations

from typing import Any

import pytest

from camunda_bridge import StepContext
from camunda_bridge.engine.locked_task import Topic
from camunda_bridge.locks import new_token
from camunda_bridge.variables import to_engine
from store.event_rows import COMPLETED
from tasks.broker.step_message import StepMessage
from tasks.broker.worker_capacity import send_heartbeat
from tasks.fetching.fetch import fetch
from tasks.fetching.follow import follow
from tasks.processes import registry
from tasks.steps import run as step_module
from tests.contract.bpmn import external, process
from tests.integration.step_bench import Bench
from tests.integration.test_topic_limits import message

CARRIER = (
    "<extensionElements><camunda:properties>"
    '<camunda:property name="carrier" value="{}"/></camunda:properties></extensionElements>'
)


@pytest.fixture
def contexts(bench: Bench) -> list[StepContext]:
    """What the step was told, attempt by attempt; it is at the elements `a` and `b`."""
    seen: list[StepContext] = []
    topic = f"ship-{bench.key}"

    def ship(parcel: dict[str, Any], context: StepContext) -> dict[str, Any]:
        seen.append(context)
        return {"shipped": True}

    bench.definition.step("ship", topic=topic)(ship)
    diagram = process(
        bench.key,
        external("a", CARRIER.format("post"), topic=topic, taskPriority="7"),
        external("b", CARRIER.format("bike"), topic=topic),
    ).replace('isExecutable="true"', 'isExecutable="true" camunda:versionTag="v7"')
    bench.definition.bpmn_path.write_text(diagram)
    registry.add(bench.definition)
    bench.engine.deploy(bench.key, {bench.definition.bpmn_path.name: diagram.encode()})
    send_heartbeat(bench.runtime.redis, "worker", 8, 0)
    return seen


def test_one_step_at_two_elements_is_told_which(bench: Bench, contexts: list[StepContext]) -> None:
    started = bench.engine.start(bench.key, bench.key, to_engine({}))
    assert follow(bench.key, bench.key).enqueued == 1
    step_module.run_step(message(bench))
    # The first one led to the second.
    step_module.run_step(message(bench))

    assert [(it.element_id, it.properties, it.priority) for it in contexts] == [
        ("a", {"carrier": "post"}, 7),
        ("b", {"carrier": "bike"}, 0),
    ]
    first = contexts[0]
    assert (first.process_key, first.process_version, first.version_tag) == (bench.key, 1, "v7")
    assert (first.business_key, first.retries, first.tenant_id) == (bench.key, None, None)
    assert [(event.step_name, event.phase) for event in bench.events()] == [("ship", COMPLETED)] * 2
    ended = bench.engine.historic_instance(started.id)
    assert ended is not None
    assert ended["state"] == "COMPLETED"


def test_task_of_the_topic_in_a_process_of_somebody_else_is_left_to_them(
    bench: Bench, contexts: list[StepContext]
) -> None:
    topic, theirs = f"ship-{bench.key}", f"theirs-{bench.key}"
    bench.engine.deploy(bench.key, {"theirs.bpmn": process(theirs, external("x", topic=topic)).encode()})
    bench.engine.start(theirs, theirs, to_engine({}))

    (step,) = bench.definition.steps.values()
    assert fetch([bench.definition.topic(step)], max_tasks=5).enqueued == 0

    others = bench.engine.fetch_and_lock([Topic(topic)], token=new_token(), lock_duration_ms=1_000, max_tasks=5)
    assert [task.process_definition_key for task in others] == [theirs]


def test_message_of_an_older_version_has_no_priority_and_is_run(bench: Bench, contexts: list[StepContext]) -> None:
    bench.engine.start(bench.key, bench.key, to_engine({}))
    (step,) = bench.definition.steps.values()
    assert fetch([bench.definition.topic(step)], max_tasks=5).enqueued == 1
    body = message(bench)
    assert body.pop("priority") == 7
    assert body.pop("versionTag") == "v7"
    assert StepMessage.load(body).task.priority == 0
    step_module.run_step(body)
    assert contexts[0].element_id == "a"
