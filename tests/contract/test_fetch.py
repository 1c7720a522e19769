"""Facts about fetchAndLock: the fields of an answer, the filters that work, the order of tasks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.bpmn import external, process
from tests.contract.engine import Engine

FIELDS = {
    "activityId", "activityInstanceId", "businessKey", "createTime", "errorDetails", "errorMessage", "executionId",
    "extensionProperties", "id", "lockExpirationTime", "priority", "processDefinitionId", "processDefinitionKey",
    "processDefinitionVersionTag", "processInstanceId", "retries", "suspended", "tenantId", "topicName", "variables",
    "workerId",
}  # fmt: skip

INPUT = '<camunda:inputOutput><camunda:inputParameter name="mine">${n}</camunda:inputParameter></camunda:inputOutput>'
PROPERTY = '<camunda:properties><camunda:property name="colour" value="red"/></camunda:properties>'


@pytest.fixture
def three(engine: Engine) -> Engine:
    """The engine with a process of one step and three instances: business keys k0, k1, k2, variables n and s."""
    engine.deploy(process(engine.key, external("a", f"<extensionElements>{INPUT}{PROPERTY}</extensionElements>")))
    for n in range(3):
        engine.start(f"k{n}", n=n, s=f"s{n}")
    return engine


def keys(tasks: Any) -> list[str]:
    """The business keys of tasks, in order."""
    return [task["businessKey"] for task in tasks]


def fetch(engine: Engine, **changes: Any) -> dict[str, Any]:
    """The request of a fetch of topic `a`, for tests to change."""
    topics = [{"topicName": f"{engine.key}.a", "lockDuration": 60_000}]
    return {"json": {"workerId": "w1", "maxTasks": 10, "topics": topics, **changes}}


def test_a_fetched_task_holds_all_that_a_step_needs(engine: Engine) -> None:
    engine.deploy(process(engine.key, external("a")))
    instance = engine.start("k", n=1)
    [task] = engine.fetch("a", worker="host:1")
    assert set(task) >= FIELDS
    expected = {
        "activityId": "a", "businessKey": "k", "processInstanceId": instance, "processDefinitionKey": engine.key,
        "retries": None, "suspended": False, "topicName": f"{engine.key}.a", "workerId": "host:1", "priority": 0,
        "errorMessage": None, "errorDetails": None, "tenantId": None, "extensionProperties": {},
        "variables": {"n": {"type": "Integer", "value": 1, "valueInfo": {}}},
    }  # fmt: skip
    assert {name: task[name] for name in expected} == expected


def test_a_listed_task_holds_the_same_but_variables_and_details(three: Engine) -> None:
    [listed, *_] = three.get("/external-task", topicName=f"{three.key}.a")
    assert set(listed) >= FIELDS - {"variables", "errorDetails", "extensionProperties"}
    assert listed["workerId"] is None
    assert listed["lockExpirationTime"] is None


def test_a_locked_task_is_not_fetched_again(three: Engine) -> None:
    assert len(three.fetch("a")) == 3
    assert three.fetch("a", worker="w2") == []


def test_the_business_key_filter_finds_the_tasks_of_that_key_only(three: Engine) -> None:
    assert keys(three.fetch("a", businessKey="k1")) == ["k1"]
    assert three.fetch("a", businessKey="nobody") == []


def test_the_last_of_two_entries_for_one_topic_wins(three: Engine) -> None:
    topics = [{"topicName": f"{three.key}.a", "lockDuration": 60_000, "businessKey": f"k{n}"} for n in range(2)]
    assert keys(three.post("/external-task/fetchAndLock", workerId="w1", maxTasks=10, topics=topics)) == ["k1"]


@pytest.mark.parametrize("name", ["processInstanceId", "processInstanceIdIn", "noSuchFilter"])
def test_a_filter_that_topics_do_not_have_is_ignored_and_everything_is_locked(three: Engine, name: str) -> None:
    filters: dict[str, Any] = {name: "nobody"}
    assert len(three.fetch("a", **filters)) == 3


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"processDefinitionKey": "other"}, []),
        ({"processDefinitionKeyIn": ["other"]}, []),
        ({"processDefinitionId": "other"}, []),
        ({"processDefinitionIdIn": ["other"]}, []),
        ({"processDefinitionVersionTag": "other"}, []),
        ({"tenantIdIn": ["other"]}, []),
        ({"withoutTenantId": True}, ["k0", "k1", "k2"]),
        ({"processVariables": {"n": 2}}, ["k2"]),
    ],
)
def test_the_filters_that_topics_have(three: Engine, filters: dict[str, Any], found: list[str]) -> None:
    assert keys(three.fetch("a", **filters)) == found


def test_the_process_definition_key_filter_tells_definitions_of_one_topic_apart(three: Engine) -> None:
    three.deploy(process(f"{three.key}-other", external("x", topic=f"{three.key}.a")))
    three.start("other", key=f"{three.key}-other")
    assert keys(three.fetch("a", processDefinitionKey=f"{three.key}-other")) == ["other"]
    assert keys(three.fetch("a", processDefinitionKeyIn=[three.key])) == ["k0", "k1", "k2"]


def test_variables_names_what_is_sent_and_an_unknown_name_is_left_out(three: Engine) -> None:
    [task] = three.fetch("a", businessKey="k1", variables=["n", "mine", "unknown"])
    assert {name: variable["value"] for name, variable in task["variables"].items()} == {"n": 1, "mine": 1}


def test_an_empty_list_of_variables_sends_none(three: Engine) -> None:
    assert three.fetch("a", most=1, variables=[])[0]["variables"] == {}


def test_local_variables_are_the_input_mappings_of_the_task(three: Engine) -> None:
    assert set(three.fetch("a", businessKey="k0")[0]["variables"]) == {"n", "s", "mine"}
    assert set(three.fetch("a", businessKey="k1", localVariables=True)[0]["variables"]) == {"mine"}


def test_extension_properties_are_sent_on_demand(three: Engine) -> None:
    assert three.fetch("a", businessKey="k0")[0]["extensionProperties"] == {}
    assert three.fetch("a", businessKey="k1", includeExtensionProperties=True)[0]["extensionProperties"] == {
        "colour": "red"
    }


@pytest.mark.parametrize(("order", "found"), [("asc", ["k0", "k1"]), ("desc", ["k2", "k1"])])
def test_sorting_by_create_time_decides_which_tasks_come_first(three: Engine, order: str, found: list[str]) -> None:
    request = fetch(three, sorting=[{"sortBy": "createTime", "sortOrder": order}], maxTasks=2)
    assert keys(three.call("POST", "/external-task/fetchAndLock", **request).json()) == found


def test_use_priority_puts_the_higher_priority_first_and_sorting_orders_the_rest(engine: Engine) -> None:
    priority = {"taskPriority": "${p}"}
    engine.deploy(process(engine.key, external("a", **priority)))
    for name, value in (("old", 1), ("young", 1), ("high", 5)):
        engine.start(name, p=value)
    request = fetch(engine, sorting=[{"sortBy": "createTime", "sortOrder": "desc"}], usePriority=True)
    assert keys(engine.call("POST", "/external-task/fetchAndLock", **request).json()) == ["high", "young", "old"]


def test_max_tasks_bounds_all_topics_together(engine: Engine) -> None:
    engine.deploy(
        process(engine.key, external("a")), process(f"{engine.key}-b", external("b", topic=f"{engine.key}.b"))
    )
    for _ in range(2):
        engine.start()
        engine.start(key=f"{engine.key}-b")
    assert len(engine.fetch("a", "b", most=3)) == 3
    assert len(engine.fetch("a", "b", most=3)) == 1
    assert engine.fetch("a", "b", "never-deployed", most=3) == []


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"workerId": None}, 500, "workerId is null"),
        ({"workerId": "w" * 256}, 500, "persistence layer"),
        ({"sorting": [{"sortBy": "nope", "sortOrder": "asc"}]}, 400, "Cannot set query sortBy parameter"),
        ({"asyncResponseTimeout": 1_800_001}, 400, "asynchronous response timeout"),
        ({"lockDuration": 0}, 500, "lockTime is not greater than 0"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_wrong_fetch_is_refused(three: Engine, changes: dict[str, Any], status: int, message: str) -> None:
    request = fetch(three, **changes)
    if "lockDuration" in changes:
        request["json"]["topics"][0]["lockDuration"] = changes["lockDuration"]
    answer = three.refused("POST", "/external-task/fetchAndLock", **request)
    assert answer[0] == status
    assert message in answer[2]


@pytest.mark.parametrize("changes", [{"topics": []}, {"maxTasks": 0}], ids=["no topics", "no tasks"])
def test_a_fetch_of_nothing_answers_an_empty_list(three: Engine, changes: dict[str, Any]) -> None:
    assert three.call("POST", "/external-task/fetchAndLock", **fetch(three, **changes)).json() == []


def test_tasks_are_listed_by_instances_and_locked_by_id(three: Engine) -> None:
    instances = [task["processInstanceId"] for task in three.get("/external-task", topicName=f"{three.key}.a")]
    query: dict[str, Any] = {
        "processInstanceIdIn": instances[:2],
        "notLocked": True,
        "withRetriesLeft": True,
        "active": True,
    }
    listed = three.post("/external-task", **query)
    assert sorted(task["processInstanceId"] for task in listed) == sorted(instances[:2])
    three.post(f"/external-task/{listed[0]['id']}/lock", 204, workerId="w1", lockDuration=60_000)
    assert three.task(listed[0])["workerId"] == "w1"
    lock = {"workerId": "w2", "lockDuration": 60_000}
    answer = three.refused("POST", f"/external-task/{listed[0]['id']}/lock", json=lock)
    assert answer[:2] == (400, "RestException")
    assert "It is locked by worker 'w1'" in answer[2]
    assert len(three.post("/external-task", **query)) == 1
