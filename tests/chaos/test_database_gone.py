"""A database that cannot be read or written, for longer than a finished handler waits for it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.chaos.conftest import SETTINGS, Load
from tests.support.accounting import attempts
from tests.support.api import eventually
from tests.support.ledger import check_all, work_phases
from tests.support.world import World, broken_world

#: seconds that a finished handler waits
HOLD_S = 6

#: SQLite's eight locks on its shared file: no process reads or writes while another holds them.
#: https://www.sqlite.org/walformat.html, section 2.3.1
_HOLDER = """
import fcntl, sys
with open(sys.argv[1], "r+b") as shared:
    fcntl.lockf(shared, fcntl.LOCK_EX, 8, 120)
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, engine_url: str) -> Iterator[World]:
    """One stack for all tests; every test unlocks the database at its end."""
    settings = {**SETTINGS, "DB_HOLD_S": HOLD_S, "DB_TIMEOUT_MS": 1_500}
    with broken_world(tmp_path_factory.mktemp("database"), engine_url, settings) as made:
        yield made


@contextmanager
def _gone(world: World) -> Iterator[None]:
    path = world.stack.environment.get("DATABASE_URL").removeprefix("sqlite:///") + "-shm"
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield
        finally:
            holder.communicate(timeout=10)


def _for(seconds: float) -> None:
    end = time.monotonic() + seconds
    eventually(lambda: time.monotonic() >= end, seconds + 5)


def test_nothing_is_fetched_and_no_handler_begins(world: World, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    load = Load(world.api, "patient", {"do": "sleep", "seconds": 0.5, "notes": str(notes)}, 12, prefer="wait=1")
    eventually(lambda: len(attempts(notes)) >= 3)

    with _gone(world):
        refused = world.api.start("five-steps", {}, "refused-while-gone")
        assert (refused.status, refused.body["type"]) == (503, "/problems/database-away")
        # test_database.py tests how soon. Here SQLite's library itself waits for 10 s before it gives up reading.
        assert int(refused.headers["retry-after"]) >= 1
        # Handlers that had begun end; then no handler begins and no task is fetched.
        _for(2)
        begun = attempts(notes)
        world.engine.watch(lambda line: "fetch" if "fetchAndLock" in line else None)
        world.engine.requests.clear()
        _for(3)
        assert attempts(notes) == begun
        assert world.engine.requests["fetch"] == 0
    world.engine.watch(lambda line: None)

    # Clients that asked while the database was gone were refused: their processes have no row.
    accepted = [item for item, answer in zip(load.ids, load.answers(), strict=True) if answer.status in (200, 202)]
    check_all(world, accepted, "patient")
    # It was gone for longer than DB_HOLD_S: only the outcomes of steps that ran in a slot at that moment were lost.
    again = {item for item, count in attempts(notes, "end").items() if count > 1}
    assert again <= set(begun)
    assert len(again) <= int(str(SETTINGS["WORKER_CONCURRENCY"]))
    assert set(attempts(notes, "end")) == set(accepted)
    assert world.api.status("refused-while-gone").status == 404


def test_finished_handler_waits_with_its_lock_alive_then_lets_the_step_run_again(world: World, tmp_path: Path) -> None:
    notes, go = tmp_path / "notes", tmp_path / "go"
    load = Load(world.api, "patient", {"do": "hold", "until": str(go), "notes": str(notes)}, 3, prefer="wait=15")
    eventually(lambda: len(attempts(notes)) == 3)

    with _gone(world):
        go.touch()
        eventually(lambda: len(attempts(notes, "end")) == 3)
        # longer than the lock, shorter than the wait
        _for(HOLD_S - 2)
    assert {answer.status for answer in load.answers()} <= {200, 202}
    check_all(world, load.ids, "patient", notes)

    notes, go = tmp_path / "notes2", tmp_path / "go2"
    load = Load(world.api, "patient", {"do": "hold", "until": str(go), "notes": str(notes)}, 3, prefer="wait=1")
    eventually(lambda: len(attempts(notes)) == 3)

    with _gone(world):
        go.touch()
        eventually(lambda: len(attempts(notes, "end")) == 3)
        _for(HOLD_S + 5)
    assert {answer.status for answer in load.answers()} == {202}
    check_all(world, load.ids, "patient")
    assert attempts(notes, "end") == Counter(dict.fromkeys(load.ids, 2)), (
        "the outcome could not be written, so the handler runs again"
    )
    assert all(work_phases(world, item) == ["lost", "completed"] for item in load.ids)
    # The log has one line for it, without a stack trace.
    assert "raised unexpected" not in world.stack["worker"].log_text()
