"""Facts about compensation from an error event sub-process, with which `order-fulfilment` undoes a refused order."""

from __future__ import annotations

from tests.contract.engine import Engine

BPMN = """<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn"
             targetNamespace="contract">
  <process id="{key}" isExecutable="true" camunda:historyTimeToLive="P1D">
    <startEvent id="start"/>
    <sequenceFlow id="to-fork" sourceRef="start" targetRef="fork"/>
    <parallelGateway id="fork"/>
    <sequenceFlow id="to-a" sourceRef="fork" targetRef="a"/>
    <sequenceFlow id="to-b" sourceRef="fork" targetRef="b"/>
    <serviceTask id="a" camunda:type="external" camunda:topic="{key}.a"/>
    <serviceTask id="b" camunda:type="external" camunda:topic="{key}.b"/>
    <boundaryEvent id="a-done" attachedToRef="a"><compensateEventDefinition/></boundaryEvent>
    <boundaryEvent id="b-done" attachedToRef="b"><compensateEventDefinition/></boundaryEvent>
    <serviceTask id="undo-a" isForCompensation="true" camunda:type="external" camunda:topic="{key}.undo-a"/>
    <serviceTask id="undo-b" isForCompensation="true" camunda:type="external" camunda:topic="{key}.undo-b"/>
    <sequenceFlow id="a-to-join" sourceRef="a" targetRef="join"/>
    <sequenceFlow id="b-to-join" sourceRef="b" targetRef="join"/>
    <parallelGateway id="join"/>
    <sequenceFlow id="to-c" sourceRef="join" targetRef="c"/>
    <serviceTask id="c" camunda:type="external" camunda:topic="{key}.c"/>
    <subProcess id="cancellation" triggeredByEvent="true">
      <startEvent id="refused"><errorEventDefinition/></startEvent>
      <sequenceFlow id="to-undo" sourceRef="refused" targetRef="undo"/>
      <intermediateThrowEvent id="undo"><compensateEventDefinition/></intermediateThrowEvent>
      <sequenceFlow id="to-tell" sourceRef="undo" targetRef="tell"/>
      <serviceTask id="tell" camunda:type="external" camunda:topic="{key}.tell"/>
    </subProcess>
    <association id="a-undone-by" associationDirection="One" sourceRef="a-done" targetRef="undo-a"/>
    <association id="b-undone-by" associationDirection="One" sourceRef="b-done" targetRef="undo-b"/>
  </process>
</definitions>"""

ALL = ("a", "b", "c", "undo-a", "undo-b", "tell")


def activities(tasks: list[dict[str, str]]) -> list[str]:
    return sorted(task["activityId"] for task in tasks)


def test_an_error_event_sub_process_undoes_what_was_completed_all_at_once_and_waits_for_it(engine: Engine) -> None:
    engine.deploy(BPMN.replace("{key}", engine.key))
    instance = engine.start("k")
    for name in ("a", "b"):
        engine.complete(engine.fetch_one(name))
    engine.bpmn_error(engine.fetch_one("c"), "REFUSED")

    undoing = engine.fetch(*ALL, businessKey="k")

    assert activities(undoing) == ["undo-a", "undo-b"]
    engine.complete(undoing[0])
    assert engine.fetch(*ALL) == [], "the throw event waits for the other one"
    engine.complete(undoing[1])
    assert activities([engine.fetch_one("tell")]) == ["tell"]
    assert engine.history(instance)["state"] == "ACTIVE"


def test_an_error_interrupts_the_other_branch_which_is_not_undone(engine: Engine) -> None:
    engine.deploy(BPMN.replace("{key}", engine.key))
    engine.start("k")
    running = engine.fetch_one("a")

    engine.bpmn_error(engine.fetch_one("b"), "REFUSED")

    status, _, message = engine.refused("POST", f"/external-task/{running['id']}/complete", json={"workerId": "w1"})
    assert (status, "does not exist" in message) == (404, True)
    assert activities(engine.fetch(*ALL)) == ["tell"], "nothing was completed, so nothing is undone"
