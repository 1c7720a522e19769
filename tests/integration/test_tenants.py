"""Three clients of one engine, one for each tenant and one for what has none: each sees and runs its own only."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from camunda_bridge.client import Engine
from camunda_bridge.deployed import DeployedDiagrams
from camunda_bridge.engine.instances import Started
from camunda_bridge.engine.locked_task import LockedTask, Topic
from camunda_bridge.errors import NotDeployed, NotFound
from camunda_bridge.locks import new_token
from camunda_bridge.session import EngineSession
from settings import Settings
from testkit.isolation import delete_deployments
from tests.contract.bpmn import external, process, receive

#: the tenants; their ids have what an address must encode
NORTH, SOUTH = "north@corp", "süd:2"
Clients = dict[str | None, Engine]


@pytest.fixture
def clients(engine_url: str) -> Clients:
    return {
        tenant: Engine.from_settings(Settings(camunda_base_url=engine_url, camunda_tenant_id=tenant or ""))
        for tenant in (NORTH, SOUTH, None)
    }


@pytest.fixture
def key(clients: Clients) -> Iterator[str]:
    """The key of a process that each tenant has, each with a step of its own before the message."""
    key = f"tenants-{uuid.uuid4().hex[:12]}"
    for number, client in enumerate(clients.values()):
        file = process(key, external("a"), external(f"own{number}"), receive("wait", f"{key}-go"))
        client.deploy(key, {f"{key}.bpmn": file.encode()})
    yield key
    delete_deployments(clients[None], key)


@pytest.fixture
def started(clients: Clients, key: str) -> dict[str | None, Started]:
    """An instance of each tenant, with the same business key."""
    return {tenant: client.start(key, key, {}) for tenant, client in clients.items()}


def fetch(client: Engine, key: str, step: str = "a", **options: str) -> list[LockedTask]:
    return client.fetch_and_lock(
        [Topic(f"{key}.{step}")], token=new_token(), lock_duration_ms=60_000, max_tasks=10, **options
    )


def test_each_has_its_own_definition_of_a_key(clients: Clients, key: str) -> None:
    for number, client in enumerate(clients.values()):
        newest = client.newest_definitions([key])[key]
        assert newest["tenantId"] == client.tenant.id
        assert f"own{number}".encode() in client.definition_file(newest["id"])
        (version,) = DeployedDiagrams(lambda client=client: client).versions(key)
        assert version.id == newest["id"]


def test_each_starts_and_fetches_its_own_instances(
    clients: Clients, started: dict[str | None, Started], key: str
) -> None:
    for tenant, client in clients.items():
        assert [task["tenantId"] for task in client.waiting_tasks(f"{key}.a")] == [tenant]
        (task,) = fetch(client, key)
        assert (task.tenant_id, task.process_instance_id) == (tenant, started[tenant].id)
        assert fetch(client, key) == []


def test_the_tasks_of_one_instance_are_locked_in_each(
    clients: Clients, started: dict[str | None, Started], key: str
) -> None:
    for tenant, client in clients.items():
        options = {"token": new_token(), "lock_duration_ms": 60_000, "max_tasks": 1}
        (task,) = client.lock_ready(started[tenant].id, [Topic(f"{key}.a")], **options)
        assert task.tenant_id == tenant


def test_each_finds_its_own_instances_and_their_ends(
    clients: Clients, started: dict[str | None, Started], key: str
) -> None:
    begun = datetime.now(UTC) - timedelta(minutes=1)
    for tenant, client in clients.items():
        assert [found["id"] for found in client.instances_by_business_key(key, key)] == [started[tenant].id]
        assert client.running_count(key) == 1
    for tenant, client in clients.items():
        assert client.delete_instance(started[tenant].id, "test")
        assert client.newest_end() is not None
        ended = {found["id"] for found in client.finished_after(begun, first=0)} & {
            each.id for each in started.values()
        }
        assert ended == {started[tenant].id}


def test_each_of_the_tenants_finds_its_own_incidents(
    clients: Clients, started: dict[str | None, Started], key: str
) -> None:
    for client in clients.values():
        token = new_token()
        (task,) = client.fetch_and_lock([Topic(f"{key}.a")], token=token, lock_duration_ms=60_000, max_tasks=1)
        client.failure(task.id, token, "no luck", "", retries=0, retry_timeout_ms=0)
    for tenant in (NORTH, SOUTH):
        found = {incident["processInstanceId"] for incident in clients[tenant].incidents()}
        assert found & {each.id for each in started.values()} == {started[tenant].id}
        assert [incident["tenantId"] for incident in clients[tenant].incidents_of(started[tenant].id)] == [tenant]


def test_each_delivers_a_message_to_its_own_instance(
    clients: Clients, started: dict[str | None, Started], key: str
) -> None:
    for number, (tenant, client) in enumerate(clients.items()):
        for step in ("a", f"own{number}"):
            token = new_token()
            (task,) = client.fetch_and_lock([Topic(f"{key}.{step}")], token=token, lock_duration_ms=60_000, max_tasks=1)
            client.complete(task.id, token, {})
        assert client.correlate(f"{key}-go", instance_id=started[tenant].id, variables={})
        ended = client.historic_instance(started[tenant].id)
        assert ended is not None
        assert (ended["state"], ended["tenantId"]) == ("COMPLETED", tenant)


def test_a_process_of_another_tenant_is_not_deployed_here(engine_url: str, key: str) -> None:
    other = Engine.from_settings(Settings(camunda_base_url=engine_url, camunda_tenant_id="other"))
    assert other.newest_definitions([key]) == {}
    with pytest.raises(NotDeployed):
        DeployedDiagrams(lambda: other).versions(key)
    with pytest.raises(NotFound, match="tenant-id: other"):
        other.start(key, key, {})


def test_a_changed_file_is_deployed_for_its_tenant_alone(clients: Clients, key: str) -> None:
    changed = {f"{key}.bpmn": process(key, external("changed")).encode()}
    assert len(clients[NORTH].deploy(key, changed)) == 1
    assert clients[NORTH].deploy(key, changed) == []
    assert len(clients[SOUTH].deploy(key, changed)) == 1
    versions = {tenant: client.newest_definitions([key])[key]["version"] for tenant, client in clients.items()}
    assert versions == {NORTH: 2, SOUTH: 2, None: 1}


def test_a_client_like_another_has_its_tenant(clients: Clients) -> None:
    assert Engine.like(clients[NORTH], timeout_ms=1_000).tenant.id == NORTH
    assert Engine(EngineSession("http://127.0.0.1:1")).tenant.id is None
