"""The whole stack on an engine that checks authorizations, with a user who has the documented permissions only."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from camunda_bridge.loading import load_processes
from camunda_bridge.registry import Registry
from dev.stack import Stack
from tests.support.api import Answer, Api, eventually
from tests.support.example_outcomes import CASES, Case
from tests.support.example_runs import ExampleRun
from tests.support.permissions import ADMIN, PASSWORD, Grant, Users, documented, guarded_engine

PACKAGES = ("processes", "tests.processes")


@dataclass
class Guarded:
    """A stack, its technical user, and the users of its engine."""

    stack: Stack
    api: Api
    users: Users
    user: str

    def revoke(self, permission: str, key: str) -> None:
        self.users.revoke(self.user, Grant("ProcessDefinition", key, permission))

    def grant(self, permission: str, key: str) -> None:
        self.users.grant(self.user, Grant("ProcessDefinition", key, permission))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded_engine() as users:
        user = users.add(documented(), *load_processes(PACKAGES, Registry()).processes)
        settings = {
            "CAMUNDA_BASE_URL": users.base_url,
            "CAMUNDA_AUTH": "basic",
            "CAMUNDA_USERNAME": user,
            "CAMUNDA_PASSWORD": PASSWORD,
            "PROCESSES": ",".join(PACKAGES),
            "RECONCILE_INTERVAL_MS": 1_000,
            "LOCK_DURATION_MS": 6_000,
            "CAMUNDA_TIMEOUT_MS": 5_000,
            "WORKER_CONCURRENCY": 4,
        }
        parts = ("broker", "partner", "web", "worker", "control", "beat")
        with Stack(tmp_path_factory.mktemp("guarded"), settings=settings, parts=parts) as stack:
            yield Guarded(stack, Api(stack.url), users, user)


@pytest.fixture
def unrefused(guarded: Guarded) -> Iterator[None]:
    """The engine refuses nothing during the test."""
    before = refusals(guarded)
    yield
    assert refusals(guarded) == before


def refusals(guarded: Guarded) -> int:
    logs = [guarded.stack[name].log_text() for name in ("web", "worker", "control")]
    return sum(text.count("AuthorizationException") + text.count("permission on resource") for text in logs)


@pytest.mark.usefixtures("unrefused")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_the_examples_come_to_their_outcomes(guarded: Guarded, case: Case) -> None:
    login = guarded.users.base_url.replace("://", f"://{':'.join(ADMIN)}@")
    run = ExampleRun(guarded.api, login, case, f"{case.nature}-{uuid.uuid4()}")
    assert run.finish()["status"] == case.status


@pytest.mark.usefixtures("unrefused")
def test_every_part_is_up(guarded: Guarded) -> None:
    body = eventually(lambda: (found := guarded.api.get("/health/ready").body)["status"] == "ready" and found)
    assert body["parts"]["permissions"] == {"up": True, "detail": "", "missing": []}


def failing(guarded: Guarded) -> Answer:
    """Start a process whose step fails until it has an incident."""
    given = {"do": "fail", "notes": str(guarded.stack.folder / "notes")}
    answer = guarded.api.start("probe", given, f"failing-{uuid.uuid4()}", prefer="wait=30")
    assert (answer.status, answer.body["error"]["type"]) == (500, "incident"), answer.body
    return answer


@pytest.mark.usefixtures("unrefused")
def test_ops_retry_cancel_export_and_erase(guarded: Guarded) -> None:
    path = f"/api/process/{failing(guarded).body['correlationId']}"
    assert guarded.api.call("POST", f"{path}/retry").status == 200
    eventually(lambda: guarded.api.get(f"/api/process/status/{path.rpartition('/')[2]}").body["status"] == "error")
    assert guarded.api.call("POST", f"{path}/cancel").status == 200
    data = guarded.api.get(f"{path}/data")
    assert data.status == 200
    assert data.body["engine"]
    erased = eventually(lambda: (found := guarded.api.call("DELETE", f"{path}/data")).status == 200 and found)
    assert erased.body["engineInstances"] == 1


@pytest.mark.usefixtures("unrefused")
def test_the_commands_read_the_engine(guarded: Guarded) -> None:
    listed = guarded.stack.run("definitions", ["flask", "process", "definitions"])
    assert "onboard-user" in listed
    guarded.stack.run("check", ["flask", "process", "check", "--engine"], good_codes=(0, 1))
    assert "permission" not in guarded.stack.run("deploy", ["flask", "process", "deploy"])


def test_starts_without_a_permission_are_answered_with_its_name(guarded: Guarded) -> None:
    taken = {"CREATE_INSTANCE": "fan-out", "UPDATE_INSTANCE": "five-steps", "READ_HISTORY": "stepless"}
    for permission, key in taken.items():
        guarded.revoke(permission, key)
    try:
        for permission, key in taken.items():
            # A worker that has checked the permission lately starts an instance, which waits.
            answer = eventually(
                lambda key=key: (found := guarded.api.start(key, prefer="wait=1")).status == 500 and found
            )
            assert answer.body["error"]["code"] == "START_REFUSED"
            name = f"'{permission}' permission on resource '{key}' of type 'ProcessDefinition'"
            assert name in json.dumps(answer.body)
            eventually(
                lambda name=name: name in guarded.api.get("/health/ready").body["parts"]["permissions"]["detail"], 60
            )
        # All other processes run.
        assert guarded.api.start("patient", prefer="wait=20").status == 200
    finally:
        for permission, key in taken.items():
            guarded.grant(permission, key)


def test_a_process_that_runs_waits_for_its_permission_and_goes_on(guarded: Guarded) -> None:
    until = guarded.stack.folder / "go"
    given = {"at": "s2", "do": "hold", "until": str(until), "notes": str(guarded.stack.folder / "notes")}
    answer = eventually(
        lambda: (found := guarded.api.start("five-steps", given, prefer="wait=2")).status == 202 and found
    )
    correlation_id = answer.body["correlationId"]
    notes = guarded.stack.folder / "notes"
    eventually(lambda: notes.exists() and correlation_id in notes.read_text())
    guarded.revoke("UPDATE_INSTANCE", "five-steps")
    until.touch()
    eventually(lambda: "outcome of five-steps.s2 not reported" in guarded.stack["worker"].log_text())
    assert guarded.api.status(correlation_id).status == 202
    guarded.grant("UPDATE_INSTANCE", "five-steps")
    assert guarded.api.wait_until_ended(correlation_id).body["data"] == {"done": True}
    # The outcome was kept: the handler ran once.
    assert notes.read_text().count(f"begin {correlation_id} ") == 1
