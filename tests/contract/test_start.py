"""Facts about the start of an instance."""

from __future__ import annotations

from tests.contract.bpmn import expression, external, process
from tests.contract.engine import Engine


def test_starting_answers_with_the_instance(engine: Engine) -> None:
    engine.deploy(process(engine.key, external("a")))
    started = engine.post(f"/process-definition/key/{engine.key}/start", businessKey="order 1 ü")
    assert {"id", "definitionId", "definitionKey", "businessKey", "ended", "suspended", "tenantId"} <= set(started)
    assert (started["businessKey"], started["ended"], started["suspended"]) == ("order 1 ü", False, False)


def test_the_first_task_is_there_once_the_start_is_answered(engine: Engine) -> None:
    engine.deploy(process(engine.key, external("a")))
    instance = engine.start()
    assert [task["processInstanceId"] for task in engine.fetch("a")] == [instance]


def test_an_instance_without_a_wait_state_has_ended_when_the_start_is_answered(engine: Engine) -> None:
    engine.deploy(process(engine.key, expression("sum", "${1 + 1}")))
    started = engine.post(f"/process-definition/key/{engine.key}/start")
    assert started["ended"] is True
    assert engine.history(started["id"])["state"] == "COMPLETED"


def test_two_instances_may_have_one_business_key(engine: Engine) -> None:
    engine.deploy(process(engine.key, external("a")))
    assert engine.start("twice") != engine.start("twice")


def test_an_unknown_key_answers_404(engine: Engine) -> None:
    answer = engine.refused("POST", f"/process-definition/key/{engine.key}/start", json={})
    assert answer[:2] == (404, "RestException")
    assert f"No matching process definition with key: {engine.key}" in answer[2]


def test_a_suspended_definition_answers_500_and_starts_again_when_activated(engine: Engine) -> None:
    engine.deploy(process(engine.key, external("a")))
    engine.put(f"/process-definition/key/{engine.key}/suspended", suspended=True, includeProcessInstances=False)
    assert engine.get(f"/process-definition/key/{engine.key}")["suspended"] is True
    answer = engine.refused("POST", f"/process-definition/key/{engine.key}/start", json={})
    assert answer[0] == 500
    assert "is suspended" in answer[2]
    engine.put(f"/process-definition/key/{engine.key}/suspended", suspended=False, includeProcessInstances=False)
    assert engine.start()


def test_a_business_key_may_have_255_characters(engine: Engine) -> None:
    engine.deploy(process(engine.key, external("a")))
    assert engine.start("x" * 255)
    answer = engine.refused("POST", f"/process-definition/key/{engine.key}/start", json={"businessKey": "x" * 256})
    assert answer[0] == 500
    assert "persistence layer" in answer[2]


def test_a_start_that_fails_within_the_engine_leaves_nothing_behind(engine: Engine) -> None:
    engine.deploy(process(engine.key, expression("bad", "${nope}")))
    answer = engine.refused("POST", f"/process-definition/key/{engine.key}/start", json={})
    assert answer[0] == 500
    assert "Cannot resolve identifier 'nope'" in answer[2]
    assert engine.get("/history/process-instance", processDefinitionKey=engine.key) == []


def test_fields_that_the_engine_does_not_know_are_ignored(engine: Engine) -> None:
    engine.deploy(process(engine.key, external("a")))
    assert engine.post(f"/process-definition/key/{engine.key}/start", bussinessKey="typo")["businessKey"] is None
