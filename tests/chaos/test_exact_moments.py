"""Faults at one exact moment: the engine has answered a request, and we have not written that yet."""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.chaos.conftest import SETTINGS, Load
from tests.support.accounting import attempts
from tests.support.api import eventually
from tests.support.ledger import check_all, work_phases
from tests.support.world import World, broken_world, children_of

#: seconds within which a lost step runs again: the lock, the poll, the reconciler
BACK_S = 30.0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, engine_url: str) -> Iterator[World]:
    """One stack for all tests; every test leaves it running."""
    with broken_world(
        tmp_path_factory.mktemp("moments"), engine_url, {**SETTINGS, "WORKER_CONCURRENCY": 4, "WORKER_POOL": "prefork"}
    ) as made:
        yield made


def _held_completion(world: World, notes: Path) -> Load:
    """A process whose step is complete in the engine, while the worker still waits for the answer."""
    held = world.engine.hold("/complete")
    load = Load(world.api, "patient", {"notes": str(notes)}, 1)
    held.wait(20)
    return load


def test_worker_killed_after_the_engine_accepted_its_completion(world: World, tmp_path: Path) -> None:
    load = _held_completion(world, tmp_path / "notes")

    world.stack["worker"].kill()
    world.engine.cut()
    world.restart("worker")

    assert {answer.status for answer in load.answers()} == {200}
    check_all(world, load.ids, "patient", tmp_path / "notes")
    assert work_phases(world, load.ids[0]) == ["completed"]


def test_child_killed_after_the_engine_accepted_its_completion(world: World, tmp_path: Path) -> None:
    load = _held_completion(world, tmp_path / "notes")

    # The parent lives and reports the killed child, but neither the engine nor the log may get a failure.
    for child in children_of(world.stack["worker"].pid):
        os.kill(child, signal.SIGKILL)
    world.engine.cut()

    assert {answer.status for answer in load.answers()} == {200}
    check_all(world, load.ids, "patient", tmp_path / "notes")
    assert work_phases(world, load.ids[0]) == ["completed"]


def test_child_killed_before_the_engine_saw_its_completion_does_not_run_again(world: World, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    go = tmp_path / "go"
    load = Load(world.api, "patient", {"do": "hold", "until": str(go), "notes": str(notes)}, 1)
    eventually(lambda: len(attempts(notes)) == 1)
    world.engine.freeze()
    go.touch()
    eventually(lambda: work_phases(world, load.ids[0]) == ["completing"])

    for child in children_of(world.stack["worker"].pid):
        os.kill(child, signal.SIGKILL)
    world.engine.cut()
    world.engine.forward()

    assert {answer.status for answer in load.answers()} == {200}
    check_all(world, load.ids, "patient", notes)
    assert attempts(notes) == {load.ids[0]: 1}, "its output was written, so the handler must not run again"


def test_answer_to_a_completion_that_is_lost_on_the_way(world: World, tmp_path: Path) -> None:
    load = _held_completion(world, tmp_path / "notes")

    world.engine.cut()

    assert {answer.status for answer in load.answers()} == {200}
    check_all(world, load.ids, "patient", tmp_path / "notes")
    assert work_phases(world, load.ids[0]) == ["completed"]


def test_worker_that_was_only_slow_neither_completes_nor_records_success(world: World, tmp_path: Path) -> None:
    notes, go = tmp_path / "notes", tmp_path / "go"
    variables = {"do": "hold", "until": str(go), "notes": str(notes), "seconds": 60}
    load = Load(world.api, "patient", variables, 2)
    eventually(lambda: len(attempts(notes)) == 2)
    slow = world.stack["worker"]
    os.killpg(slow.pid, signal.SIGSTOP)
    if "worker-2" not in world.stack.parts:
        world.stack.add("worker-2", like="worker")
    world.restart("worker-2")

    eventually(lambda: set(attempts(notes).values()) == {2}, BACK_S, "second attempts on the other worker")
    go.touch()
    assert {answer.status for answer in load.answers()} == {200}
    os.killpg(slow.pid, signal.SIGCONT)

    eventually(lambda: sum(attempts(notes, "end").values()) == 4, what="the end of the slow handlers")
    check_all(world, load.ids, "patient")
    for correlation_id in load.ids:
        assert work_phases(world, correlation_id) == ["lost", "completed"]
    assert slow.is_running
    # It says so, and stops.
    eventually(lambda: slow.log_text().count("lock lost, outcome discarded") >= 2)
    world.stack["worker-2"].terminate()


def test_starts_between_the_engines_answer_and_our_commit(world: World) -> None:
    """Workers are killed at that moment, or answered after the time-out: history has one instance, which is adopted."""
    ids = [f"window-{uuid.uuid4()}" for _ in range(4)]
    held = world.engine.hold("/process-definition/key/never-ends/start", limit=4)
    for correlation_id in ids:
        world.api.start("never-ends", {}, correlation_id, prefer="respond-async")
    held.wait(20, count=2)

    # Two starts wait for their answers, as many as run at the same time; they die with their workers.
    world.stack["worker"].kill()
    world.stack["control"].kill()
    world.engine.cut()
    world.restart("worker", "control")

    # The claim lasts for the engine's time-out and 20 s more; then reconcile sends the start again.
    for correlation_id in ids:
        eventually(lambda: world.api.status(correlation_id).body["processInstanceId"], 60, correlation_id)  # noqa: B023
    for correlation_id in ids:
        found = requests.get(
            f"{world.engine_url}/process-instance", params={"businessKey": correlation_id}, timeout=20
        ).json()
        assert [item["id"] for item in found] == [world.api.status(correlation_id).body["processInstanceId"]]
        requests.delete(f"{world.engine_url}/process-instance/{found[0]['id']}", timeout=20).raise_for_status()
        assert world.api.wait_until_ended(correlation_id).body["status"] == "cancelled"


def test_step_of_a_killed_worker_is_back_soon(world: World, tmp_path: Path) -> None:
    notes, go = tmp_path / "notes", tmp_path / "go"
    load = Load(world.api, "patient", {"do": "hold", "until": str(go), "notes": str(notes)}, 3)
    eventually(lambda: len(attempts(notes)) == 3)

    world.stack["worker"].kill()
    killed_at = time.monotonic()
    world.restart("worker")
    eventually(lambda: set(attempts(notes).values()) == {2}, BACK_S)

    assert time.monotonic() - killed_at < BACK_S
    go.touch()
    assert {answer.status for answer in load.answers()} == {200}
    check_all(world, load.ids, "patient", notes)
    assert all(work_phases(world, item) == ["lost", "completed"] for item in load.ids)
