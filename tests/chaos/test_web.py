"""A web server that is stopped while clients wait, more clients than may wait, and several of every part."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.chaos.conftest import Load, MakeStack
from tests.support.accounting import attempts, check_consistency, memory_mb
from tests.support.api import Api, eventually

#: MiB by which a process may grow under ten times its load; most of it are 300 waiting threads
MOST_GROWTH_MB = 100


def test_stopped_web_server_answers_everyone_who_waits(make_stack: MakeStack, tmp_path: Path) -> None:
    stack = make_stack(WEB_GRACE_S=6)
    api = Api(stack.url)
    go = tmp_path / "go"
    quick = Load(api, "probe", {"do": "sleep", "seconds": 1.5}, 3)
    held = Load(api, "probe", {"do": "hold", "until": str(go), "seconds": 2.9}, 3)
    never = Load(api, "never-ends", {}, 40)
    eventually(lambda: api.get("/health/ready").body["waitingRequests"] >= 46)

    stack["web"].signal(signal.SIGTERM)

    assert {answer.status for answer in quick.answers()} == {200}
    assert {answer.status for answer in never.answers()} == {202}
    go.touch()
    assert {answer.status for answer in held.answers()} <= {200, 202}
    eventually(lambda: not stack["web"].is_running)
    stack["web"].start()
    stack["web"].wait_ready(30)
    check_consistency(stack, api, [*quick.ids, *held.ids], "probe")


def test_killed_web_server_loses_no_process(make_stack: MakeStack) -> None:
    stack = make_stack()
    api = Api(stack.url)
    load = Load(api, "probe", {"do": "sleep", "seconds": 2}, 10)
    # A start is accepted when its row is written.
    eventually(lambda: all(api.status(item).status == 202 for item in load.ids))

    stack["web"].kill()
    stack["web"].start()
    stack["web"].wait_ready(30)

    check_consistency(stack, api, load.ids, "probe")


def test_past_the_limits_starts_are_accepted_without_waiting_then_refused(make_stack: MakeStack) -> None:
    stack = make_stack(MAX_WAITING_REQUESTS=5, MAX_PENDING_STARTS=30)
    api = Api(stack.url)
    stack["worker"].signal(signal.SIGSTOP)
    stack["control"].signal(signal.SIGSTOP)
    waiting = Load(api, "five-steps", {}, 5, prefer="wait=15")
    eventually(lambda: api.get("/health/ready").body["waitingRequests"] == 5)

    beyond = [api.start("five-steps", {}) for _ in range(40)]

    accepted = [answer for answer in beyond if answer.status == 202]
    refused = [answer for answer in beyond if answer.status == 503]
    assert len(accepted) + len(refused) == 40
    assert all(answer.seconds < 2 for answer in accepted)
    assert refused
    assert {answer.body["type"] for answer in refused} == {"/problems/too-many-pending-starts"}
    assert api.get("/health/live").status == 200
    stack["worker"].signal(signal.SIGCONT)
    stack["control"].signal(signal.SIGCONT)
    assert {answer.status for answer in waiting.answers()} <= {200, 202}
    check_consistency(stack, api, [*waiting.ids, *(answer.body["correlationId"] for answer in accepted)], "five-steps")


def test_ten_times_more_starts_than_slots_all_end_and_no_lock_expires_in_a_queue(
    make_stack: MakeStack, tmp_path: Path
) -> None:
    # Three hundred starts and six children write to one SQLite file at once, which is not tested here.
    stack = make_stack(DB_TIMEOUT_MS=10_000)
    api = Api(stack.url)
    notes = tmp_path / "notes"
    parts = ("web", "worker", "control", "broker")
    before = {name: memory_mb(stack[name].pid) for name in parts}

    # Six slots run thirty of these steps a second.
    load = Load(api, "probe", {"do": "sleep", "seconds": 0.2, "notes": str(notes)}, 300, prefer="wait=1")

    assert [answer for answer in load.answers() if answer.status not in (200, 202)] == []
    ready = api.get("/health/ready")
    assert (ready.status, ready.body["status"]) == (200, "ready")
    assert all(memory_mb(stack[name].pid) - before[name] < MOST_GROWTH_MB for name in parts)
    check_consistency(stack, api, load.ids, "probe")
    assert set(attempts(notes).values()) == {1}


def test_two_webs_three_workers_and_two_beats_run_together(make_stack: MakeStack) -> None:
    stack = make_stack(WORKER_CONCURRENCY=3)
    extra = {"web-2": "web", "worker-2": "worker", "worker-3": "worker", "beat-2": "beat"}
    for name, like in extra.items():
        stack.add(name, like=like)
    stack.start_parts(extra)
    first, second = Api(stack.url), Api(stack.url_of("web-2"))

    loads = [Load(first, "five-steps", {}, 40), Load(second, "five-steps", {}, 40), Load(second, "fan-out", {}, 10)]

    for load in loads:
        assert {answer.status for answer in load.answers()} == {200}
    # The same start through the other web server joins the first and gets the same answer.
    assert second.start("five-steps", {}, loads[0].ids[0]).body == first.start("five-steps", {}, loads[0].ids[0]).body
    check_consistency(stack, first, [*loads[0].ids, *loads[1].ids], "five-steps")
    check_consistency(stack, second, loads[2].ids, "fan-out")
