"""Facts about the elements that the engine gives to workers: which ones become external tasks."""

from __future__ import annotations

import pytest

from tests.contract.bpmn import Part, boundary, external, process, subprocess
from tests.contract.engine import Engine

EXTERNAL = 'camunda:type="external" camunda:topic="{key}.a"'
DEFINITION = f'<messageEventDefinition messageRef="m" {EXTERNAL}/>'
MESSAGE = frozenset({'<message id="m" name="{key}-m"/>'})
PROPERTIES = (
    "<extensionElements><camunda:properties>"
    '<camunda:property name="channel" value="mail"/></camunda:properties></extensionElements>'
)

TASKS = {
    "service": Part("a", f'<serviceTask id="a" {EXTERNAL}>{PROPERTIES}</serviceTask>'),
    "send": Part("a", f'<sendTask id="a" {EXTERNAL}>{PROPERTIES}</sendTask>'),
    "business-rule": Part("a", f'<businessRuleTask id="a" {EXTERNAL}>{PROPERTIES}</businessRuleTask>'),
    "message-throw": Part(
        "a",
        f'<intermediateThrowEvent id="a">{PROPERTIES}{DEFINITION}</intermediateThrowEvent>',
        MESSAGE,
    ),
    "message-end": Part("a", f'<endEvent id="a">{PROPERTIES}{DEFINITION}</endEvent>', MESSAGE),
}

OTHERS = {
    "task": Part("a", f'<task id="a" {EXTERNAL}/>'),
    "manual": Part("a", f'<manualTask id="a" {EXTERNAL}/>'),
    "user": Part("a", f'<userTask id="a" {EXTERNAL}/>'),
}


@pytest.mark.parametrize("kind", TASKS)
def test_element_is_an_external_task_with_its_extension_properties(engine: Engine, kind: str) -> None:
    engine.deploy(process(engine.key, TASKS[kind]))
    engine.start("k")
    [task] = engine.fetch("a", includeExtensionProperties=True)
    assert task["activityId"] == "a"
    assert task["extensionProperties"] == {"channel": "mail"}
    engine.complete(task)
    assert engine.get("/process-instance", processDefinitionKey=engine.key) == []


@pytest.mark.parametrize("kind", OTHERS)
def test_element_is_no_external_task(engine: Engine, kind: str) -> None:
    engine.deploy(process(engine.key, OTHERS[kind]))
    engine.start("k")
    assert engine.get("/external-task", processDefinitionKey=engine.key) == []


def test_every_executable_process_of_a_file_becomes_a_definition(engine: Engine) -> None:
    one = process(engine.key, TASKS["service"])
    other = f'<process id="{engine.key}-b" isExecutable="true" camunda:historyTimeToLive="P1D"><startEvent id="s"/></process>'
    drawn = f'<process id="{engine.key}-c"><startEvent id="s2"/></process>'
    answer = engine.deploy(one.replace("</definitions>", f"{other}{drawn}</definitions>"))
    keys = {found["key"] for found in answer["deployedProcessDefinitions"].values()}
    assert keys == {engine.key, f"{engine.key}-b"}


def test_document_type_declaration_is_refused(engine: Engine) -> None:
    head, _, rest = process(engine.key, TASKS["service"]).partition("\n")
    files = {"file": ("a.bpmn", f"{head}\n<!DOCTYPE definitions>{rest}")}
    refused = engine.refused("POST", "/deployment/create", data={"deployment-name": engine.key}, files=files)
    assert "DOCTYPE is disallowed" in refused[2]


@pytest.mark.parametrize("place", ["event", "definition"])
def test_error_event_definition_counts_inside_the_message_event_definition(engine: Engine, place: str) -> None:
    thrown = (
        '<extensionElements><camunda:errorEventDefinition errorRef="error-X" expression="${true}"/></extensionElements>'
    )
    definition = (
        DEFINITION.replace("/>", f">{thrown}</messageEventDefinition>") if place == "definition" else DEFINITION
    )
    event = f'<intermediateThrowEvent id="a">{thrown if place == "event" else ""}{definition}</intermediateThrowEvent>'
    part = Part("a", event, MESSAGE | {'<error id="error-X" errorCode="X"/>'})
    engine.deploy(process(engine.key, subprocess("sub", part), boundary("sub", external("rescue"), code="X")))
    engine.start("k")
    engine.complete(engine.fetch_one("a"))
    assert bool(engine.fetch("rescue")) is (place == "definition")
