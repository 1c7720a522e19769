"""A step with a topic of its own: at several elements, told which, and beside others who use the same topic."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from camunda_bridge import StepContext, define_worker
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
from tests.contract.bpmn import Part, external, process
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


@pytest.fixture
def mail(bench: Bench) -> Iterator[list[StepContext]]:
    """A worker whose step `send` takes tasks of any process; what the step was told."""
    seen: list[StepContext] = []
    worker = define_worker(f"mail-{bench.key}")

    @worker.step(f"send-{bench.key}")
    def send(address: str, context: StepContext) -> dict[str, Any]:
        seen.append(context)
        return {"sentTo": address}

    registry.add(worker)
    send_heartbeat(bench.runtime.redis, "worker", 8, 0)
    yield seen
    registry.workers.pop(worker.key)
    for topic in worker.steps:
        registry._steps.pop(topic)
    registry._families.clear()


def mailed(bench: Bench) -> dict[str, Any]:
    """The next message of the worker's queue."""
    text: Any = bench.runtime.redis.rpop(f"steps.mail-{bench.key}")
    found: dict[str, Any] = json.loads(base64.b64decode(json.loads(text)["body"]))[0][0]
    return found


def test_worker_runs_its_topic_in_a_process_of_this_installation(bench: Bench, mail: list[StepContext]) -> None:
    bench.deploy({"address": "ada@example.org"}, external("mail", topic=f"send-{bench.key}"))
    started = bench.engine.start(bench.key, bench.key, to_engine({}))
    assert follow(bench.key, bench.key).enqueued == 1
    # The process's own step leads to that of the worker.
    step_module.run_step(message(bench))
    step_module.run_step(mailed(bench))

    assert [(it.element_id, it.process_key) for it in mail] == [("mail", bench.key)]
    _, event = bench.events()
    assert (event.step_name, event.process_name, event.phase) == (f"send-{bench.key}", f"mail-{bench.key}", COMPLETED)
    assert event.metadata == {"processKey": bench.key, "element": "mail"}
    ended = bench.engine.historic_instance(started.id)
    assert ended is not None
    assert ended["state"] == "COMPLETED"


@pytest.mark.parametrize("business_key", ["order-4711", None])
def test_worker_runs_its_topic_in_a_process_that_others_deployed_and_started(
    bench: Bench, mail: list[StepContext], business_key: str | None
) -> None:
    theirs, topic = f"theirs-{bench.key}", f"send-{bench.key}"
    diagram = process(theirs, external("first", topic=topic), external("second", topic=topic))
    bench.engine.deploy(bench.key, {"theirs.bpmn": diagram.encode()})
    variables = to_engine({"address": "bob@example.org"})
    instance = bench.engine.session.post(
        f"/process-definition/key/{theirs}/start", {"businessKey": business_key, "variables": variables}
    )

    assert fetch(registry.topics(), max_tasks=5).enqueued == 1
    step_module.run_step(mailed(bench))
    # It was followed, though the process is not declared here.
    step_module.run_step(mailed(bench))

    assert [it.element_id for it in mail] == ["first", "second"]
    assert {it.correlation_id for it in mail} == {business_key or instance["id"]}
    ended = bench.engine.historic_instance(instance["id"])
    assert ended is not None
    assert ended["state"] == "COMPLETED"
    events = bench.runtime.events.by_correlation_id(business_key or instance["id"])
    assert [event.metadata for event in events if event.process_instance_id == instance["id"]] == [
        {"processKey": theirs, "element": "first"},
        {"processKey": theirs, "element": "second"},
    ]


def test_failure_of_a_workers_step_elsewhere_is_an_incident_of_the_engine_alone(
    bench: Bench, mail: list[StepContext]
) -> None:
    theirs = f"theirs-{bench.key}"
    bench.engine.deploy(bench.key, {"x.bpmn": process(theirs, external("x", topic=f"send-{bench.key}")).encode()})
    # Without the address, which nothing in that process catches.
    started = bench.engine.start(theirs, bench.key, to_engine({}))
    assert fetch(registry.topics(), max_tasks=5).enqueued == 1
    step_module.run_step(mailed(bench))

    (incident,) = bench.engine.incidents_of(started.id)
    assert "catches the error 'VALIDATION_ERROR'" in incident["incidentMessage"]
    assert mail == []


def test_free_slot_gets_the_step_of_highest_priority(bench: Bench) -> None:
    fork = '<parallelGateway id="fork"/>' + "".join(
        f'<serviceTask id="{name}" camunda:type="external" camunda:topic="{{key}}.{name}" camunda:taskPriority="{number}"/>'
        f'<sequenceFlow id="to-{name}" sourceRef="fork" targetRef="{name}"/>'
        for name, number in {"bulk": 0, "urgent": 1000}.items()
    )
    for name in ("bulk", "urgent"):
        bench.definition.step(name)(lambda given: {})
    bench.deploy({}, external("late"), a=Part("fork", fork))
    bench.engine.start(bench.key, bench.key, to_engine({}))
    send_heartbeat(bench.runtime.redis, "worker", 1, 1)

    assert follow(bench.key, bench.key, own_slots=1).enqueued == 1
    assert StepMessage.load(message(bench)).task.activity_id == "urgent"
    assert follow(bench.key, bench.key, own_slots=1).enqueued == 1
    assert StepMessage.load(message(bench)).task.activity_id == "bulk"
