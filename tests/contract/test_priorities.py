"""Facts about priorities that a diagram takes from a JSON variable, as it does from the execution context."""

from __future__ import annotations

import json
from typing import Any

from tests.contract.bpmn import expression, external, process
from tests.contract.engine import Engine

OF_START = "${executionContext.prop('priority').numberValue()}"
#: the same, also in an instance that has no execution context
OF_ANY_START = (
    "${empty execution.getVariable('executionContext') ? 0 : executionContext.prop('priority').numberValue()}"
)


def start(engine: Engine, business_key: str, priority: int) -> Any:
    context = {"type": "Json", "value": json.dumps({"processId": "p", "priority": priority})}
    body = {"businessKey": business_key, "variables": {"executionContext": context}}
    return engine.post(f"/process-definition/key/{engine.key}/start", **body)


def test_a_task_may_take_its_priority_from_a_json_variable(engine: Engine) -> None:
    engine.deploy(process(engine.key, external("a", taskPriority=OF_START)))
    for name, priority in {"bulk": -5, "plain": 0, "urgent": 5}.items():
        start(engine, name, priority)
    topics = [{"topicName": f"{engine.key}.a", "lockDuration": 60_000}]
    found = engine.post("/external-task/fetchAndLock", workerId="w", maxTasks=10, usePriority=True, topics=topics)
    assert [(task["businessKey"], task["priority"]) for task in found] == [("urgent", 5), ("plain", 0), ("bulk", -5)]


def test_a_priority_whose_variable_is_not_there_is_0(engine: Engine) -> None:
    engine.deploy(process(engine.key, external("a", taskPriority=OF_START)))
    engine.start()
    [task] = engine.fetch("a")
    assert task["priority"] == 0


def test_a_job_has_the_priority_of_its_element(engine: Engine) -> None:
    # A job that stays: its timer is not due.
    engine.deploy(process(engine.key, expression("a", "${missing}", asyncBefore="true", jobPriority=OF_START)))
    definition = engine.get("/process-definition", key=engine.key, latestVersion="true")[0]["id"]
    # So that no executor takes the job before the test has read it.
    engine.put("/job-definition/suspended", processDefinitionId=definition, suspended=True, includeJobs=True)
    instance = start(engine, "k", 4)["id"]
    [job] = engine.get("/job", processInstanceId=instance)
    assert job["priority"] == 4
