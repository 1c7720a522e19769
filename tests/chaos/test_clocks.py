"""Clocks that are wrong by hours: of hosts whose workers share work, and of the engine."""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from pathlib import Path

import pytest

from tests.chaos.conftest import PARTS, Load, MakeStack
from tests.support.accounting import check_consistency
from tests.support.api import Api, eventually
from tests.support.shifted_engine import ShiftedEngine

#: Debian's package libfaketime
LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), Path("libfaketime.so.1"))

NUMBER = 12


def off_by(hours: int) -> dict[str, object]:
    """The environment of a process on a host whose clock is wrong by `hours`; its monotonic clock is right."""
    assert LIBRARY.exists(), "the package libfaketime is missing: run dev/bootstrap.sh clocks"
    return {"LD_PRELOAD": str(LIBRARY), "FAKETIME": f"{hours:+d}h", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def test_workers_on_hosts_whose_clocks_are_hours_apart_run_each_others_work(
    make_stack: MakeStack, tmp_path: Path
) -> None:
    # Only steps run on these workers: starts compare times of the store's clock, which on SQLite is the host's clock.
    stack = make_stack(("broker", "web", "control", "beat"))
    api = Api(stack.url)
    workers = {"worker-ahead": 2, "worker-behind": -2}
    for name, hours in workers.items():
        stack.add(name, like="worker", arguments=["-Q", "steps.patient"], settings=off_by(hours)).start()
    stack.wait_ready(workers)
    eventually(lambda: api.get("/health/ready").body["parts"]["workers"]["up"], what="heartbeats of the workers")

    load = Load(api, "patient", {"notes": str(tmp_path / "notes")}, NUMBER)
    assert {answer.status for answer in load.answers()} == {200}
    check_consistency(stack, api, load.ids, "patient")

    # A worker with another clock does the work of a killed one.
    late = Load(api, "patient", {"notes": str(tmp_path / "late"), "do": "hold", "until": str(tmp_path / "go")}, 4)
    eventually(lambda: (tmp_path / "late").exists() and len((tmp_path / "late").read_text().splitlines()) == 4)
    os.killpg(stack["worker-ahead"].pid, signal.SIGKILL)
    (tmp_path / "go").touch()
    assert {answer.status for answer in late.answers()} == {200}
    check_consistency(stack, api, late.ids, "patient")


@pytest.mark.parametrize("hours", [-26, 26])
def test_engine_whose_clock_is_a_day_off(make_stack: MakeStack, engine_url: str, tmp_path: Path, hours: int) -> None:
    with ShiftedEngine(engine_url, timedelta(hours=hours)) as shifted:
        stack = make_stack(PARTS, CAMUNDA_BASE_URL=shifted.base_url)
        api = Api(stack.url)
        load = Load(api, "patient", {"notes": str(tmp_path / "notes")}, NUMBER)
        assert {answer.status for answer in load.answers()} == {200}
        # Killed while a step runs: the next attempt and the reconciler use the engine's log.
        late = Load(api, "patient", {"notes": str(tmp_path / "late"), "do": "hold", "until": str(tmp_path / "go")}, 4)
        eventually(lambda: (tmp_path / "late").exists() and len((tmp_path / "late").read_text().splitlines()) == 4)
        stack["worker"].kill()
        (tmp_path / "go").touch()
        stack.start_parts(["worker"])
        assert {answer.status for answer in late.answers()} == {200}
        check_consistency(stack, api, [*load.ids, *late.ids], "patient")
        # A plain end, which is only in the engine's history.
        plain = api.start("async-chain", {"given": "x"})
        assert (plain.status, plain.body["result"]) == (200, {"given": "x", "one": 1, "two": 2})
