"""Inline steps: if a worker is killed or stopped, only the step that runs at that moment is affected."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from tests.chaos.conftest import Load, MakeStack
from tests.support.accounting import attempts, check_consistency
from tests.support.api import Api, eventually

#: a lock so long that no step comes back because it expires
LOCK_MS = 60_000
IN_PLACE = {"LOCK_DURATION_MS": LOCK_MS, "STEPS_IN_PLACE_MS": 2_000}


def phases(api: Api, correlation_id: str) -> list[tuple[str, str]]:
    trace = api.status(correlation_id).body["traceabilityId"]
    return [(event["stepName"], event["phase"]) for event in api.events(trace)]


def test_child_killed_in_a_later_step_only_that_step_is_retried(make_stack: MakeStack, tmp_path: Path) -> None:
    api = Api(make_stack(WORKER_POOL="prefork", **IN_PLACE).url)
    notes = tmp_path / "notes"
    begun = time.monotonic()

    load = Load(api, "five-steps", {"at": "s3", "do": "crash-once", "notes": str(notes)}, 6)

    assert {answer.status for answer in load.answers()} == {200}
    assert time.monotonic() - begun < LOCK_MS / 2000
    assert set(attempts(notes).values()) == {2}
    for correlation_id in load.ids:
        expected = [("s1", "completed"), ("s2", "completed"), ("s3", "failed"), ("s3", "completed")]
        assert phases(api, correlation_id) == [*expected, ("s4", "completed"), ("s5", "completed")]


def test_worker_stopped_in_a_later_step_that_step_is_unlocked(make_stack: MakeStack, tmp_path: Path) -> None:
    stack = make_stack(**IN_PLACE)
    api = Api(stack.url)
    notes, go = tmp_path / "notes", tmp_path / "go"
    given = {"at": "s2", "do": "hold", "until": str(go), "seconds": 20, "notes": str(notes)}
    load = Load(api, "five-steps", given, 2)
    eventually(lambda: len(attempts(notes)) == 2)

    begun = time.monotonic()
    stack["worker"].terminate(timeout_s=10)
    go.touch()
    stack["worker"].start()

    assert {answer.status for answer in load.answers()} <= {200, 202}
    check_consistency(stack, api, load.ids, "five-steps")
    assert time.monotonic() - begun < LOCK_MS / 1000
    for correlation_id in load.ids:
        assert Counter(phases(api, correlation_id))["s2", "lost"] == 1


def test_many_processes_in_few_slots_all_end_once(make_stack: MakeStack) -> None:
    stack = make_stack(WORKER_CONCURRENCY=2, **IN_PLACE)
    api = Api(stack.url)

    load = Load(api, "five-steps", {}, 60)

    assert {answer.status for answer in load.answers()} == {200}
    check_consistency(stack, api, load.ids, "five-steps")
