"""An engine that answers with errors, slowly, or not at all, while processes run."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos.conftest import SETTINGS, Load
from tests.support.accounting import attempts
from tests.support.api import eventually
from tests.support.ledger import check_all, work_phases
from tests.support.proxy import ANSWERS
from tests.support.world import World, broken_world

#: seconds that each fault lasts: longer than the engine's time-out, shorter than the lock
FAULT_S = 2.0
#: seed of the random order of the faults
SEED = 4


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, engine_url: str) -> Iterator[World]:
    """One stack for all tests; every test ends with an available engine."""
    with broken_world(tmp_path_factory.mktemp("faults"), engine_url, SETTINGS) as made:
        yield made


def _for(seconds: float) -> None:
    end = time.monotonic() + seconds
    eventually(lambda: time.monotonic() >= end, seconds + 5)


def test_every_fault_of_the_engine_passes_and_no_handler_runs_twice(world: World, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    faults: list[Callable[[], None]] = [
        *(lambda kind=kind: world.engine.answer(kind) for kind in ANSWERS),  # type: ignore[misc]
        world.engine.reset,
        world.engine.cut,
        world.engine.refuse,
        world.engine.freeze,
        lambda: world.engine.slow(0.3),
    ]
    random.Random(SEED).shuffle(faults)
    loads = []
    for fault in faults:
        loads.append(
            Load(world.api, "patient", {"do": "sleep", "seconds": 0.2, "notes": str(notes)}, 5, prefer="wait=5")
        )
        eventually(lambda: sum(attempts(notes).values()) > 0, what="a first step")
        fault()
        _for(FAULT_S)
        world.engine.forward()

    for load in loads:
        assert {answer.status for answer in load.answers()} <= {200, 202}
    ids = [correlation_id for load in loads for correlation_id in load.ids]
    check_all(world, ids, "patient", notes)
    assert {item: attempts(notes)[item] for item in ids} == dict.fromkeys(ids, 1)
    for part in ("worker", "control", "web", "beat"):
        assert world.stack[part].is_running


def test_completion_that_did_not_get_through_is_delivered_later_and_the_handler_runs_once(
    world: World, tmp_path: Path
) -> None:
    notes, go = tmp_path / "notes", tmp_path / "go"
    load = Load(world.api, "patient", {"do": "hold", "until": str(go), "notes": str(notes)}, 4, prefer="wait=2")
    eventually(lambda: sum(attempts(notes).values()) == 4)

    world.engine.refuse()
    go.touch()
    # Longer than a lock: the attempt gives up, and the next one delivers its outcome.
    _for(8.0)
    assert all(work_phases(world, item) == ["completing"] for item in load.ids)
    world.engine.forward()

    assert {answer.status for answer in load.answers()} == {202}
    check_all(world, load.ids, "patient", notes)
    assert set(attempts(notes).values()) == {1}


def test_absence_is_logged_once_a_change_of_state_and_starts_wait_for_its_end(world: World) -> None:
    offsets = {name: len(world.stack[name].log_text()) for name in ("worker", "control", "web")}

    world.engine.refuse()
    load = Load(world.api, "five-steps", {}, 20, prefer="wait=1")
    assert {answer.status for answer in load.answers()} == {202}
    _for(10.0)
    said = {name: world.stack[name].log_text()[offset:] for name, offset in offsets.items()}
    world.engine.forward()

    check_all(world, load.ids, "five-steps")
    for name, text in said.items():
        # each of a worker's processes has a session of its own
        assert text.count("engine unavailable:") <= 1 + int(SETTINGS["WORKER_CONCURRENCY"]), name  # type: ignore[call-overload]
        warnings = re.findall(r"\[(?:warning|error)", text)
        assert len(warnings) < 60, f"{name} logged {len(warnings)} warnings in 10 s:\n{text[:4000]}"
