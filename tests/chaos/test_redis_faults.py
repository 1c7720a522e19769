"""A Redis that is unreachable, silent or slow while steps run and requests wait."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.conftest import SETTINGS, Load
from tests.support.accounting import attempts
from tests.support.api import eventually
from tests.support.ledger import check_all
from tests.support.world import World, broken_world

#: tasks in flight when Redis becomes unavailable, on two workers
IN_FLIGHT = 50
#: seconds within which every worker reconnects
BACK_S = 10.0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, engine_url: str) -> Iterator[World]:
    """Two workers with 50 slots together."""
    settings = {
        **SETTINGS,
        "WORKER_CONCURRENCY": IN_FLIGHT // 2,
        "SYNC_TIMEOUT_MS": 6_000,
        "LOCK_DURATION_MS": 6_000,
        # Fifty starts and fifty children write to one SQLite file at once, which is not tested here.
        "DB_TIMEOUT_MS": 10_000,
    }
    with broken_world(tmp_path_factory.mktemp("redis-faults"), engine_url, settings) as made:
        made.stack.add("worker-2", like="worker")
        made.restart("worker-2")
        yield made


def _with_heartbeat(world: World, since: float) -> set[str]:
    """The workers with a heartbeat after `since`."""
    client = world.client()
    try:
        fields = client.hgetall("celery-camunda:workers")
    finally:
        client.close()
    # A heartbeat contains the time until which it lasts: 5 s after it was sent.
    return {name for name, beat in fields.items() if float(beat.partition('"until": ')[2].rstrip("}")) > since + 5.0}


@pytest.mark.parametrize("fault", ["refuse", "freeze"])
def test_workers_are_back_within_10_s_with_50_steps_in_flight(world: World, tmp_path: Path, fault: str) -> None:
    notes, go = tmp_path / "notes", tmp_path / "go"
    load = Load(world.api, "patient", {"do": "hold", "until": str(go), "notes": str(notes)}, IN_FLIGHT)
    eventually(lambda: sum(attempts(notes).values()) == IN_FLIGHT, what=f"{IN_FLIGHT} steps at once")
    pids = {name: world.stack[name].pid for name in ("worker", "worker-2", "control", "web", "beat")}

    getattr(world.redis, fault)()
    late = Load(world.api, "five-steps", {}, 10, prefer="wait=3")
    go.touch()
    assert {answer.status for answer in late.answers()} == {202}
    assert all(answer.seconds < 3 + 5 for answer in late.answers())
    # No request may wait longer than its wait.
    assert all(answer.status in (200, 202) and answer.seconds < 6 + 5 for answer in load.answers())
    world.redis.forward()
    if fault == "freeze":
        world.redis.cut()
    back_at, wall = time.monotonic(), time.time()

    eventually(lambda: len(_with_heartbeat(world, wall)) == 2, BACK_S, "both workers")
    assert time.monotonic() - back_at < BACK_S
    check_all(world, [*load.ids], "patient", notes)
    check_all(world, [*late.ids], "five-steps")
    assert set(attempts(notes).values()) == {1}, "no completed step may run again"
    for name, pid in pids.items():
        assert world.stack[name].is_running, f"{name} died"
        assert world.stack[name].pid == pid
    # Not only beat works again: the consumers consume.
    fresh = Load(world.api, "five-steps", {}, 10)
    assert {answer.status for answer in fresh.answers()} == {200}
