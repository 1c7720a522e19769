"""The onboarding process on the engine: both paths through it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.engine import Engine

FILE = Path(__file__).parents[2] / "processes" / "onboard_user" / "onboard_user.bpmn"
STEPS = ["validate-user-information", "run-background-check", "call-onboarding-api", "prepare-response"]


@pytest.fixture
def onboarding(engine: Engine) -> Engine:
    """The engine with the process, deployed with a key and topics of the test's own."""
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
