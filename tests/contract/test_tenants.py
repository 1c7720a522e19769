"""Facts about tenants: one process key, deployed for the tenants `a` and `b` and for none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.bpmn import call, external, process, receive
from tests.contract.engine import Engine

#: the tenants of these tests; None is what belongs to no tenant
TENANTS = ("a", "b", None)
WITHOUT = {"withoutTenantId": True}


@pytest.fixture
def deployed(engine: Engine) -> Engine:
    """The engine, with the same process in each tenant."""
    for tenant in TENANTS:
        deploy(engine, tenant, process(engine.key, external("a")))
    return engine


def deploy(engine: Engine, tenant: str | None, *files: str) -> Any:
    """Deploy files for a tenant."""
    of_tenant = {} if tenant is None else {"tenant_id": tenant}
    return engine.deploy(*files, **of_tenant, enable_duplicate_filtering="true")


def start(engine: Engine, tenant: str | None, key: str = "") -> str:
    of_tenant = "" if tenant is None else f"/tenant-id/{tenant}"
    started = engine.post(f"/process-definition/key/{key or engine.key}{of_tenant}/start", businessKey=engine.key)
    assert started["tenantId"] == tenant
    return str(started["id"])


def filters(tenant: str | None) -> dict[str, str]:
    return {"withoutTenantId": "true"} if tenant is None else {"tenantIdIn": tenant}


def test_each_tenant_has_its_own_versions_of_a_key(deployed: Engine) -> None:
    deploy(deployed, "a", process(deployed.key, external("b")))
    found = deployed.get("/process-definition", key=deployed.key, latestVersion="true")
    assert sorted((item["tenantId"] or "", item["version"]) for item in found) == [("", 1), ("a", 2), ("b", 1)]


@pytest.mark.parametrize("tenant", TENANTS)
def test_a_list_of_definitions_is_filtered_by_tenant(deployed: Engine, tenant: str | None) -> None:
    [found] = deployed.get("/process-definition", keysIn=deployed.key, latestVersion="true", **filters(tenant))
    assert found["tenantId"] == tenant


def test_the_statistics_have_the_tenant_of_each_definition_and_no_filter(deployed: Engine) -> None:
    found = deployed.get("/process-definition/statistics", tenantIdIn="a")
    ours = [item["definition"]["tenantId"] for item in found if item["definition"]["key"] == deployed.key]
    assert sorted(tenant or "" for tenant in ours) == ["", "a", "b"]


@pytest.mark.parametrize("tenant", TENANTS)
def test_a_start_runs_the_definition_of_its_tenant(deployed: Engine, tenant: str | None) -> None:
    assert deployed.history(start(deployed, tenant))["tenantId"] == tenant


def test_no_start_falls_back_to_a_definition_of_another_tenant_or_of_none(engine: Engine) -> None:
    deploy(engine, "a", process(engine.key, external("a")))
    answer = engine.refused("POST", f"/process-definition/key/{engine.key}/start", json={})
    assert answer == (404, "RestException", f"No matching process definition with key: {engine.key} and no tenant-id")
    deploy(engine, None, process(engine.key, external("a")))
    answer = engine.refused("POST", f"/process-definition/key/{engine.key}/tenant-id/b/start", json={})
    assert answer == (404, "RestException", f"No matching process definition with key: {engine.key} and tenant-id: b")


@pytest.mark.parametrize(
    ("given", "fetched"), [({"tenantIdIn": ["a"]}, {"a"}), (WITHOUT, {None}), ({}, {"a", "b", None})]
)
def test_a_fetch_without_a_filter_locks_the_tasks_of_every_tenant(
    deployed: Engine, given: dict[str, object], fetched: set[str | None]
) -> None:
    for tenant in TENANTS:
        start(deployed, tenant)
    assert {task["tenantId"] for task in deployed.fetch("a", **given)} == fetched


@pytest.mark.parametrize("tenant", TENANTS)
def test_lists_of_instances_and_history_are_filtered_by_tenant(deployed: Engine, tenant: str | None) -> None:
    instances = {each: start(deployed, each) for each in TENANTS}
    given = filters(tenant)
    [running] = deployed.get("/process-instance", processDefinitionKey=deployed.key, **given)
    assert running["id"] == instances[tenant]
    assert deployed.get("/process-instance/count", processDefinitionKey=deployed.key, **given)["count"] == 1
    body = WITHOUT if tenant is None else {"tenantIdIn": [tenant]}
    [past] = deployed.post("/history/process-instance", processDefinitionKey=deployed.key, **body)
    assert past["id"] == instances[tenant]


def test_lists_of_tasks_are_filtered_by_tenant_but_not_for_those_without_one(deployed: Engine) -> None:
    for tenant in TENANTS:
        start(deployed, tenant)
    topic = f"{deployed.key}.a"
    [found] = deployed.get("/external-task", topicName=topic, tenantIdIn="a")
    assert found["tenantId"] == "a"
    assert deployed.get("/external-task/count", topicName=topic, tenantIdIn="a")["count"] == 1
    assert deployed.get("/external-task/count", topicName=topic, withoutTenantId="true")["count"] == 3
    assert len(deployed.get("/external-task", topicName=topic, withoutTenantId="true")) == 3


def test_incidents_are_filtered_by_tenant_but_not_for_those_without_one(deployed: Engine) -> None:
    for tenant in TENANTS:
        start(deployed, tenant)
    for task in deployed.fetch("a"):
        deployed.fail(task, retries=0)
    [found] = deployed.get("/incident", processDefinitionKeyIn=deployed.key, tenantIdIn="a")
    assert found["tenantId"] == "a"
    assert len(deployed.get("/incident", processDefinitionKeyIn=deployed.key, withoutTenantId="true")) == 3


def test_a_message_to_an_instance_reaches_it_in_its_tenant_and_must_not_name_the_tenant(engine: Engine) -> None:
    deploy(engine, "a", process(engine.key, receive("wait", "go")))
    message = {"messageName": "go", "processInstanceId": start(engine, "a")}
    answer = engine.refused("POST", "/message", json={**message, "tenantId": "a"})
    assert answer[0] == 400
    assert "Cannot specify a tenant-id" in answer[2]
    engine.post("/message", 204, **message)
    assert engine.history(message["processInstanceId"])["state"] == "COMPLETED"


def test_a_call_activity_calls_the_process_of_its_own_tenant_only(engine: Engine) -> None:
    child = f"{engine.key}-child"
    deploy(engine, None, process(child, external("c")))
    deploy(engine, "a", process(engine.key, call("call", child, business_key=True)))
    answer = engine.refused("POST", f"/process-definition/key/{engine.key}/tenant-id/a/start", json={})
    assert answer[0] == 500
    assert f"no processes deployed with key '{child}' and tenant-id 'a'" in answer[2]
    deploy(engine, "a", process(child, external("c")))
    start(engine, "a")
    assert [task["tenantId"] for task in engine.fetch("c", key=child)] == ["a"]


def test_duplicate_filtering_compares_with_the_newest_version_of_the_same_tenant(engine: Engine) -> None:
    first, second = process(engine.key, external("a")), process(engine.key, external("b"))
    sequence = [("a", first), ("b", first), (None, first), ("b", second), ("a", second), ("b", first), ("a", second)]
    is_new = [deploy(engine, tenant, file)["deployedProcessDefinitions"] is not None for tenant, file in sequence]
    assert is_new == [True, True, True, True, True, True, False]


def test_the_answer_to_a_duplicate_may_name_a_deployment_of_another_tenant(engine: Engine) -> None:
    for tenant in ("a", "b"):
        deploy(engine, tenant, process(engine.key, external("a")))
    assert deploy(engine, "a", process(engine.key, external("a")))["tenantId"] == "b"
