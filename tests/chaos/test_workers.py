"""Workers that are killed, stopped, or slow."""

from __future__ import annotations

import uuid
from pathlib import Path

from tests.chaos.conftest import Load, MakeStack
from tests.support.accounting import attempts, check_consistency
from tests.support.api import Api, eventually


def test_worker_killed_in_a_handler_another_runs_the_step_again(make_stack: MakeStack, tmp_path: Path) -> None:
    stack = make_stack()
    api = Api(stack.url)
    notes, go = tmp_path / "notes", tmp_path / "go"
    load = Load(api, "probe", {"do": "hold", "until": str(go), "notes": str(notes)}, 4)
    eventually(lambda: len(attempts(notes)) == 4)

    stack["worker"].kill()
    go.touch()
    stack["worker"].start()

    assert {answer.status for answer in load.answers()} == {200}
    check_consistency(stack, api, load.ids, "probe")
    assert set(attempts(notes).values()) == {2}
    for correlation_id in load.ids:
        trace = api.status(correlation_id).body["traceabilityId"]
        phases = [event["phase"] for event in api.events(trace) if event["stepName"] == "work"]
        assert phases == ["lost", "completed"]


def test_workers_killed_again_and_again_under_load_lose_and_repeat_nothing(make_stack: MakeStack) -> None:
    stack = make_stack(STEP_MAX_LOST=20)
    stack.add("worker-2", like="worker")
    stack.start_parts(["worker-2"])
    api = Api(stack.url)
    load = Load(api, "five-steps", {}, 120, prefer="wait=15")

    for name in ("worker", "worker-2", "control", "worker"):
        eventually(lambda: api.get("/health/ready").body["parts"]["workers"]["up"])
        stack[name].kill()
        stack[name].start()

    assert {answer.status for answer in load.answers()} <= {200, 202}
    check_consistency(stack, api, load.ids, "five-steps")


def test_long_step_keeps_its_lock_and_runs_once(make_stack: MakeStack, tmp_path: Path) -> None:
    stack = make_stack(LOCK_DURATION_MS=600, CAMUNDA_TIMEOUT_MS=500)
    api = Api(stack.url)
    notes = tmp_path / "notes"

    # four other handlers, to show that one thread extends the locks of several processes
    load = Load(api, "probe", {"do": "sleep", "seconds": 2.9, "notes": str(notes)}, 4)

    assert {answer.status for answer in load.answers()} == {200}
    assert set(attempts(notes).values()) == {1}
    check_consistency(stack, api, load.ids, "probe")


def test_stopped_worker_ends_short_steps_within_its_grace_period_and_unlocks_the_others(
    make_stack: MakeStack, tmp_path: Path
) -> None:
    stack = make_stack(LOCK_DURATION_MS=30_000)
    api = Api(stack.url)
    quick, slow, go = tmp_path / "quick", tmp_path / "slow", tmp_path / "go"
    fits = Load(api, "probe", {"do": "sleep", "seconds": 1, "notes": str(quick)}, 2)
    held = Load(api, "probe", {"do": "hold", "until": str(go), "seconds": 2.9, "notes": str(slow)}, 2)
    eventually(lambda: len(attempts(quick)) == 2 and len(attempts(slow)) == 2)

    stack["worker"].terminate(timeout_s=10)
    go.touch()
    stack["worker"].start()

    # much sooner than after the lock of 30 s
    assert {answer.status for answer in held.answers()} == {200}
    assert {answer.status for answer in fits.answers()} == {200}
    assert set(attempts(quick).values()) == {1}
    check_consistency(stack, api, [*fits.ids, *held.ids], "probe")


def test_handler_that_kills_its_worker_ends_in_an_incident(make_stack: MakeStack, tmp_path: Path) -> None:
    stack = make_stack(STEP_MAX_LOST=2)
    api = Api(stack.url)
    notes = tmp_path / "notes"
    correlation_id = f"poison-{uuid.uuid4()}"
    api.start("probe", {"do": "kill-worker", "notes": str(notes)}, correlation_id, prefer="respond-async")

    for number in (1, 2):
        eventually(lambda: attempts(notes)[correlation_id] == number)  # noqa: B023
        eventually(lambda: not stack["worker"].is_running)
        stack["worker"].start()

    ended = api.wait_until_ended(correlation_id)
    assert ended.body["status"] == "error"
    assert "never ended" in ended.body["error"]["message"]
    assert attempts(notes)[correlation_id] == 2
