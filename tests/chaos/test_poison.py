"""Handlers that kill their process, beside others that do not; and incidents that end the wait of clients."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.chaos.conftest import SETTINGS, Load
from tests.support.accounting import attempts, check_consistency
from tests.support.api import eventually
from tests.support.ledger import check_all, work_phases
from tests.support.world import World, broken_world, children_of

#: seconds within which a killed attempt is reported
REPORT_S = 3.0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, engine_url: str) -> Iterator[World]:
    """One stack with a lock so long that no step comes back because it expires."""
    settings = {**SETTINGS, "LOCK_DURATION_MS": 60_000, "CAMUNDA_TIMEOUT_MS": 5_000, "WORKER_POOL": "prefork"}
    with broken_world(tmp_path_factory.mktemp("poison"), engine_url, settings) as made:
        yield made


@pytest.mark.parametrize("do", ["crash", "eat-memory", "spin"])
def test_poison_is_a_failed_attempt_at_once_and_its_neighbours_go_on(world: World, tmp_path: Path, do: str) -> None:
    notes = tmp_path / "notes"
    worker = world.stack["worker"]
    parent = worker.pid
    begun = time.monotonic()
    poison = Load(world.api, "probe", {"do": do, "notes": str(notes)}, 3)
    good = Load(world.api, "five-steps", {}, 30)

    answers = poison.answers()

    assert {answer.status for answer in good.answers()} == {200}
    assert {answer.status for answer in answers} == {500}, [answer.body for answer in answers]
    assert {answer.body["error"]["type"] for answer in answers} == {"incident"}
    # Three attempts, each reported at its end, pauses of 0.2 and 0.4 s, and at most 3 s each until the time limit.
    limit = 9 if do == "spin" else 0
    assert time.monotonic() - begun < limit + 3 * REPORT_S + 2
    for correlation_id in poison.ids:
        assert work_phases(world, correlation_id) == ["failed"] * 3
    assert worker.is_running
    assert worker.pid == parent
    eventually(lambda: len(children_of(parent)) == SETTINGS["WORKER_CONCURRENCY"], what="a full pool again")
    check_all(world, good.ids, "five-steps")
    for correlation_id in poison.ids:
        check_status(world, correlation_id)


def check_status(world: World, correlation_id: str) -> None:
    """Check that the row has the incident that is open in the engine."""
    row = world.api.status(correlation_id).body
    (incident,) = requests.get(
        f"{world.engine_url}/incident", params={"processInstanceId": row["processInstanceId"]}, timeout=20
    ).json()
    assert (row["status"], row["incidentId"]) == ("error", incident["id"])


def test_one_crash_under_load_repeats_only_that_step(world: World, tmp_path: Path) -> None:
    notes = tmp_path / "notes"

    load = Load(world.api, "patient", {"do": "crash-once", "notes": str(notes)}, 12)

    assert {answer.status for answer in load.answers()} == {200}
    check_all(world, load.ids, "patient", notes)
    assert set(attempts(notes).values()) == {2}


def test_client_gets_an_incident_at_once_and_a_retry_in_the_engine_makes_the_row_ok(
    world: World, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    correlation_id = f"incident-{uuid.uuid4()}"

    answer = world.api.start("probe", {"do": "fail", "until": str(go)}, correlation_id)

    assert answer.status == 500
    assert answer.seconds < 5
    assert answer.body["error"]["message"] == "RuntimeError: told to fail"
    instance = answer.body["processInstanceId"]
    check_status(world, correlation_id)
    (task,) = requests.get(
        f"{world.engine_url}/external-task", params={"processInstanceId": instance}, timeout=20
    ).json()
    nothing = {"modifications": {"do": {"type": "String", "value": "nothing"}}}
    requests.post(
        f"{world.engine_url}/process-instance/{instance}/variables", json=nothing, timeout=20
    ).raise_for_status()
    requests.put(
        f"{world.engine_url}/external-task/{task['id']}/retries", json={"retries": 1}, timeout=20
    ).raise_for_status()
    eventually(lambda: world.api.status(correlation_id).body["status"] == "ok")
    check_consistency(world.stack, world.api, [], "probe")
    assert work_phases(world, correlation_id) == ["failed"] * 3 + ["completed"]


def test_client_gets_an_incident_of_the_engines_own_job_within_a_reconcile_period(world: World) -> None:
    answer = world.api.start("failing-job")

    assert answer.status == 500
    incidents = requests.get(
        f"{world.engine_url}/incident", params={"processInstanceId": answer.body["processInstanceId"]}, timeout=20
    ).json()
    assert answer.body["error"]["message"] == incidents[0]["incidentMessage"]
    # The engine's job executor runs the job after a while; then come one period of 1 s and the round itself.
    assert answer.seconds < 15
