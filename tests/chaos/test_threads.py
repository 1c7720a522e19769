"""Workers whose steps run in threads: many at once keep apart, those that hang cost their worker only at the end."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

from tests.chaos.conftest import Load, MakeStack
from tests.support.accounting import attempts, check_consistency
from tests.support.api import Api, eventually

SLOTS = 32


def test_lines_of_many_steps_at_once_name_the_process_of_their_own_step(make_stack: MakeStack) -> None:
    stack = make_stack(WORKER_CONCURRENCY=SLOTS, LOG_FORMAT="json", LOG_LEVEL="DEBUG")
    api = Api(stack.url)

    # Each step fails once, and says so.
    load = Load(api, "probe", {"do": "fail-once"}, 2 * SLOTS)

    assert {answer.status for answer in load.answers()} == {200}
    check_consistency(stack, api, load.ids, "probe")
    named = defaultdict(set)
    for text in stack["worker"].log_text().splitlines():
        line = json.loads(text) if text.startswith("{") else {}
        if "externalTaskId" in line:
            named[line["externalTaskId"]].add((line.get("correlationId"), line.get("processInstanceId")))
    assert len(named) >= len(load.ids)
    assert all(len(processes) == 1 for processes in named.values())
    assert {correlation_id for ((correlation_id, _),) in named.values()} == set(load.ids)


def test_worker_with_too_many_hanging_threads_ends_and_the_next_one_goes_on(
    make_stack: MakeStack, tmp_path: Path
) -> None:
    stack = make_stack(WORKER_MAX_STUCK=1)
    api = Api(stack.url)
    notes = tmp_path / "notes"
    # The time limit of the step is 3 s, and it hangs for longer than the test lasts.
    hanging = [api.start("probe", {"do": "hang", "notes": str(notes)}, prefer="respond-async") for _ in range(2)]
    ids = [answer.body["correlationId"] for answer in hanging]

    eventually(lambda: not stack["worker"].is_running, 30, "a worker that ends by itself")
    assert stack["worker"].returncode == 1
    assert "2 threads hang in handlers beyond their time limits" in stack["worker"].log_text()

    stack["worker"].start()
    good = Load(api, "five-steps", {}, 10)
    assert {answer.status for answer in good.answers()} == {200}
    assert all(attempts(notes)[correlation_id] >= 1 for correlation_id in ids)
    for correlation_id in ids:
        assert api.call("POST", f"/api/process/{correlation_id}/cancel").status in (200, 409)


def test_handler_that_ends_its_worker_takes_others_with_it_once(make_stack: MakeStack, tmp_path: Path) -> None:
    stack = make_stack()
    api = Api(stack.url)
    notes, go = tmp_path / "notes", tmp_path / "go"
    beside = Load(api, "probe", {"do": "hold", "until": str(go), "seconds": 2, "notes": str(tmp_path / "beside")}, 2)
    eventually(lambda: len(attempts(tmp_path / "beside")) == 2)
    poison = Load(api, "probe", {"do": "crash", "notes": str(notes)}, 1)

    eventually(lambda: not stack["worker"].is_running, 30, "a worker that was killed")
    go.touch()
    stack["worker"].start()

    # Its next attempts are isolated: each is a failure, and the worker lives.
    assert api.wait_until_ended(poison.ids[0], timeout_s=90).body["error"]["type"] == "incident"
    assert {answer.status for answer in beside.answers()} == {200}
    assert stack["worker"].is_running
    trace = api.status(poison.ids[0]).body["traceabilityId"]
    assert [event["phase"] for event in api.events(trace)] == ["lost", "failed", "failed", "failed"]
    assert attempts(notes)[poison.ids[0]] == 4


def test_prefork_pool_runs_steps_and_reports_a_killed_child(make_stack: MakeStack, tmp_path: Path) -> None:
    stack = make_stack(WORKER_POOL="prefork")
    api = Api(stack.url)

    load = Load(api, "probe", {"do": "crash-once", "notes": str(tmp_path / "notes")}, 4)

    assert {answer.status for answer in load.answers()} == {200}
    check_consistency(stack, api, load.ids, "probe")
    assert set(attempts(tmp_path / "notes").values()) == {2}
    assert stack["worker"].is_running
