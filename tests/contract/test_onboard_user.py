"""The onboarding process as the engine runs it: both ways through it, and a diagram that is whole."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.contract.engine import Engine

FILE = Path(__file__).parents[2] / "processes" / "onboard_user" / "onboard_user.bpmn"
BPMN = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
DI = "{http://www.omg.org/spec/BPMN/20100524/DI}"
CAMUNDA = "{http://camunda.org/schema/1.0/bpmn}"
STEPS = ["validate-user-information", "run-background-check", "call-onboarding-api", "prepare-response"]


@pytest.fixture
def onboarding(engine: Engine) -> Engine:
    """The engine with the process under a key and topics of the test's own."""
    engine.deploy(FILE.read_text(encoding="utf-8").replace("onboard-user", engine.key))
    return engine


def test_the_happy_path_ends_with_the_completion_of_prepare_response(onboarding: Engine) -> None:
    instance = onboarding.start("k", userId="u1")
    for step in STEPS:
        [task] = onboarding.fetch(step, businessKey="k")
        assert (task["activityId"], task["variables"]["userId"]["value"]) == (step, "u1")
        onboarding.complete(task)
    assert onboarding.history(instance)["state"] == "COMPLETED"
    assert onboarding.activities(instance)["user-onboarded"] == "noneEndEvent"


@pytest.mark.parametrize("refused_at", range(len(STEPS)))
def test_a_business_error_of_any_step_ends_with_the_completion_of_handle_error(
    onboarding: Engine, refused_at: int
) -> None:
    instance = onboarding.start("k")
    for step in STEPS[:refused_at]:
        onboarding.complete(onboarding.fetch_one(step))
    onboarding.bpmn_error(onboarding.fetch_one(STEPS[refused_at]), "HIGH_RISK", errorMessage="refused")
    [task] = onboarding.fetch("handle-error", businessKey="k")
    assert {name: variable["value"] for name, variable in task["variables"].items()} == {
        "errorCode": "HIGH_RISK",
        "errorMessage": "refused",
    }
    onboarding.complete(task)
    assert onboarding.history(instance)["state"] == "COMPLETED"
    assert onboarding.activities(instance)["user-refused"] == "noneEndEvent"


def test_every_element_has_its_place_in_the_diagram() -> None:
    root = ElementTree.parse(FILE).getroot()
    scopes = [*root.iter(f"{BPMN}process"), *root.iter(f"{BPMN}subProcess")]
    inside = [element.get("id") for scope in scopes for element in scope if element.get("id")]
    drawn = [shape.get("bpmnElement") for kind in ("BPMNShape", "BPMNEdge") for shape in root.iter(DI + kind)]
    assert sorted(map(str, drawn)) == sorted(map(str, inside))


def test_the_topics_are_named_after_process_and_step() -> None:
    root = ElementTree.parse(FILE).getroot()
    topics = {task.get("id"): task.get(CAMUNDA + "topic") for task in root.iter(BPMN + "serviceTask")}
    assert topics == {step: f"onboard-user.{step}" for step in [*STEPS, "handle-error"]}
