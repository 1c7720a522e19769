"""Three installations on one engine, for two tenants and for none: the same process key, and each runs its own only."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from uuid import uuid4

import pytest
import requests

from dev.stack import Stack
from tests.support.api import Api, eventually

KEY = "five-steps"


@dataclass
class Installation:
    """An installation and its tenant."""

    tenant: str | None
    stack: Stack
    api: Api


@pytest.fixture(scope="module")
def installations(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory, engine_url: str
) -> Iterator[dict[str | None, Installation]]:
    """The stack of the other tests, which has no tenant, and one for each tenant."""
    with ExitStack() as stacks:
        found: dict[str | None, Installation] = {None: Installation(None, stack, Api(stack.url))}
        for tenant in ("north", "south"):
            settings = {
                "CAMUNDA_BASE_URL": engine_url,
                "CAMUNDA_TENANT_ID": tenant,
                "PROCESSES": "tests.processes",
                "RECONCILE_INTERVAL_MS": 500,
                "LOCK_DURATION_MS": 4_000,
                "CAMUNDA_TIMEOUT_MS": 3_000,
                "WORKER_CONCURRENCY": 2,
            }
            stacks.callback(delete_deployments, engine_url, tenant)
            parts = ("broker", "web", "worker", "beat")
            own = stacks.enter_context(Stack(tmp_path_factory.mktemp(tenant), settings=settings, parts=parts))
            found[tenant] = Installation(tenant, own, Api(own.url))
        yield found


def delete_deployments(engine_url: str, tenant: str) -> None:
    for deployment in requests.get(f"{engine_url}/deployment", params={"tenantIdIn": tenant}, timeout=20).json():
        requests.delete(f"{engine_url}/deployment/{deployment['id']}", params={"cascade": "true"}, timeout=60)


def tenants_of(engine_url: str, business_key: str) -> list[str | None]:
    """The tenants of the instances with this business key."""
    query = {"processInstanceBusinessKey": business_key}
    found = requests.get(f"{engine_url}/history/process-instance", params=query, timeout=20).json()
    return [instance["tenantId"] for instance in found]


def test_each_runs_its_own_process_of_the_same_key_and_correlation_id(
    installations: dict[str | None, Installation], engine_url: str
) -> None:
    same = f"same-{uuid4()}"
    for installation in installations.values():
        answer = installation.api.start(KEY, correlation_id=same, prefer="wait=30")
        assert (answer.status, answer.body["result"]) == (200, {"done": True})
    assert sorted(tenant or "" for tenant in tenants_of(engine_url, same)) == ["", "north", "south"]
    for tenant, installation in installations.items():
        body = installation.api.status(same).body
        history = requests.get(f"{engine_url}/history/process-instance/{body['processInstanceId']}", timeout=20).json()
        assert history["tenantId"] == tenant
        steps = [event["stepName"] for event in installation.api.events(body["traceabilityId"]) if event["stepName"]]
        assert len(steps) >= 5


def test_the_tasks_of_a_tenant_wait_for_its_own_workers(
    installations: dict[str | None, Installation], engine_url: str
) -> None:
    south = installations["south"]
    until = south.stack.folder / "go"
    held = {"at": "s1", "do": "hold", "until": str(until), "notes": str(south.stack.folder / "notes")}
    waiting = f"waiting-{uuid4()}"
    assert south.api.start(KEY, held, waiting, prefer="respond-async").status == 202
    eventually(lambda: tenants_of(engine_url, waiting) == ["south"], what="an instance")
    south.stack["worker"].kill()
    # Its lock expires, and the others poll every second: none of them may fetch the task.
    until.touch()
    others = [installations[tenant] for tenant in ("north", None)]
    for other in others:
        assert other.api.start(KEY, prefer="wait=30").status == 200
    deadline = time.monotonic() + 6
    while time.monotonic() < deadline:
        assert all(other.api.status(waiting).status == 404 for other in others)
        instance = south.api.status(waiting).body["processInstanceId"]
        tasks = requests.get(f"{engine_url}/external-task", params={"processInstanceId": instance}, timeout=20).json()
        assert [task["activityId"] for task in tasks] == ["s1"]
        time.sleep(0.5)
    south.stack.start_parts(["worker"])
    assert south.api.wait_until_ended(waiting).body["data"] == {"done": True}


def test_an_installation_is_ready_beside_those_of_other_tenants(
    installations: dict[str | None, Installation],
) -> None:
    for tenant in ("north", "south"):
        eventually(lambda tenant=tenant: installations[tenant].api.get("/health/ready").body["status"] == "ready")


def test_an_incident_of_one_tenant_is_one_of_its_own_installation_only(
    installations: dict[str | None, Installation],
) -> None:
    north = installations["north"]
    failing = f"failing-{uuid4()}"
    given = {"do": "fail", "notes": str(north.stack.folder / "notes")}
    answer = north.api.start("probe", given, failing, prefer="wait=30")
    assert (answer.status, answer.body["error"]["type"]) == (500, "incident")
    seen = {tenant: installation.api.status(failing).status for tenant, installation in installations.items()}
    assert seen == {None: 404, "north": 200, "south": 404}
