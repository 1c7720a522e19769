"""Facts about what the engine takes and sets, on which the data-flow check relies."""

from __future__ import annotations

from tests.contract.bpmn import Part, external, process
from tests.contract.engine import Engine

FORK = Part(
    "fork",
    '<inclusiveGateway id="fork" default="to-default"/>'
    + "".join(
        f'<serviceTask id="{name}" camunda:type="external" camunda:topic="{{key}}.{name}"/>'
        f'<sequenceFlow id="to-{name}" sourceRef="fork" targetRef="{name}">{condition}</sequenceFlow>'
        for name, condition in {
            "always": "",
            "default": "",
            "never": "<conditionExpression>${false}</conditionExpression>",
        }.items()
    ),
)


def test_inclusive_gateway_takes_each_flow_without_a_condition_and_then_not_its_default(engine: Engine) -> None:
    engine.deploy(process(engine.key, FORK, external("next")))
    engine.start("k")
    tasks = engine.fetch("always", "default", "never", "next")
    assert sorted(task["activityId"] for task in tasks) == ["always", "next"]


def test_output_with_the_name_of_an_input_mapping_is_gone_behind_the_task(engine: Engine) -> None:
    mapped = (
        '<extensionElements><camunda:inputOutput><camunda:inputParameter name="x">in</camunda:inputParameter>'
        "</camunda:inputOutput></extensionElements>"
    )
    engine.deploy(process(engine.key, external("a", mapped), external("b")))
    engine.start("k")
    engine.complete(engine.fetch_one("a"), x="out", y="out")
    assert {name: value["value"] for name, value in engine.fetch_one("b")["variables"].items()} == {"y": "out"}


def test_multi_instance_task_with_an_empty_collection_runs_no_time(engine: Engine) -> None:
    loop = """<multiInstanceLoopCharacteristics camunda:collection="${S('[]').elements()}"/>"""
    engine.deploy(process(engine.key, external("a", loop), external("b")))
    engine.start("k")
    assert [task["activityId"] for task in engine.fetch("a", "b")] == ["b"]


def test_local_variables_of_a_completion_are_seen_by_output_mappings_alone(engine: Engine) -> None:
    mapped = (
        '<extensionElements><camunda:inputOutput><camunda:outputParameter name="out">${x}</camunda:outputParameter>'
        "</camunda:inputOutput></extensionElements>"
    )
    engine.deploy(process(engine.key, external("a", mapped), external("b")))
    engine.start("k")
    task = engine.fetch_one("a")
    body = {"workerId": "w1", "localVariables": {"x": {"value": 1}, "y": {"value": 2}}}
    engine.post(f"/external-task/{task['id']}/complete", 204, **body)
    assert {name: value["value"] for name, value in engine.fetch_one("b")["variables"].items()} == {"out": 1}


def test_output_mapping_of_a_multi_instance_is_refused(engine: Engine) -> None:
    inside = (
        '<extensionElements><camunda:inputOutput><camunda:outputParameter name="x">1</camunda:outputParameter>'
        '</camunda:inputOutput></extensionElements><multiInstanceLoopCharacteristics camunda:collection="items"/>'
    )
    files = {"file": ("a.bpmn", process(engine.key, external("a", inside)))}
    refused = engine.refused("POST", "/deployment/create", data={"deployment-name": engine.key}, files=files)
    assert "outputParameter not allowed for multi-instance constructs" in refused[2]
