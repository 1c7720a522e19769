"""A start fetches its first step with the cheaper fetch strategy, and leaves no instance whose id no row has."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from camunda_bridge.client import Engine
from camunda_bridge.context import CONTEXT_VARIABLE, ExecutionContext
from camunda_bridge.engine.instances import Started
from camunda_bridge.errors import EngineUnavailable
from camunda_bridge.variables import to_engine
from store.process_rows import CANCELLED, OK, Ending, NewProcess, ProcessRow
from tasks.broker.start_throttle import PAUSED_KEY
from tasks.broker.worker_capacity import BACKLOG_KEY, send_heartbeat
from tasks.fetching import fetch, follow
from tasks.fetching.poll import poll
from tasks.fetching.strategy import FetchStrategy, StrategyPicker
from tasks.settling.closing import close_instance
from tasks.starts import start as start_module
from tasks.starts.start import start_process
from tests.integration.step_bench import Bench


def accept(bench: Bench) -> NewProcess:
    """Accept a row of a deployed process, with a worker that can run its step."""
    bench.deploy({})
    redis = bench.runtime.redis
    redis.flushall()
    send_heartbeat(redis, "worker@here", 8, 0)
    new = NewProcess(uuid.uuid4(), bench.key, "0" * 64, bench.key, {"item": "x"}, f"trace-{bench.key}")
    assert bench.runtime.processes.accept(new)
    return new


def row_of(bench: Bench, new: NewProcess) -> ProcessRow:
    row = bench.runtime.processes.by_id(new.id)
    assert row is not None
    return row


def steps_of(bench: Bench) -> list[dict[str, Any]]:
    return [json.loads(text) for text in bench.runtime.redis.lrange(f"steps.{bench.key}", 0, -1)]


def start(bench: Bench) -> list[dict[str, Any]]:
    """Start a process as a control worker does. Returns the steps that were enqueued."""
    new = accept(bench)

    start_process(str(new.id))

    assert row_of(bench, new).process_instance_id is not None
    return steps_of(bench)


def running(bench: Bench) -> list[str]:
    """The running instances of the process."""
    found = bench.engine.instances_by_business_key(bench.key, bench.key)
    return [item["id"] for item in found if bench.engine.is_running(item["id"])]


@contextlib.contextmanager
def after_start(monkeypatch: pytest.MonkeyPatch, then: Callable[[], None]) -> Iterator[None]:
    """Let something happen after the engine has started an instance, before the worker gets the answer."""
    real = Engine.start

    def started(self: Engine, *args: Any) -> Started:
        answer = real(self, *args)
        then()
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(Engine, "start", started)
        yield


def lost() -> None:
    raise EngineUnavailable("the answer is lost")


def count(monkeypatch: pytest.MonkeyPatch, name: str) -> list[object]:
    """Note each call of a method of the engine."""
    calls: list[object] = []
    real = getattr(Engine, name)

    def counted(self: Engine, *args: Any, **options: Any) -> Any:
        calls.append(args)
        return real(self, *args, **options)

    monkeypatch.setattr(Engine, name, counted)
    return calls


@pytest.mark.parametrize(("took_s", "way"), [(0.0, "fetch_and_lock"), (10.0, "lock_ready")])
def test_first_step_is_asked_for_in_the_cheaper_way(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, took_s: float, way: str
) -> None:
    ways = StrategyPicker()
    ways.note(FetchStrategy.BY_KEY, took_s)
    for module in (fetch, follow):
        monkeypatch.setattr(module, "picker", ways)
    calls = {name: count(monkeypatch, name) for name in ("fetch_and_lock", "lock_ready")}

    (step,) = start(bench)

    assert step["headers"]["shadow"] == f"{bench.key}.a"
    assert {name: len(found) for name, found in calls.items()} == {"fetch_and_lock": 0, "lock_ready": 0} | {way: 1}


def test_lost_answer_is_remembered_while_the_engine_is_unavailable(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_module, "CLAIM_MARGIN_S", -1000.0)  # a claim expires as soon as it is made
    new = accept(bench)
    with after_start(monkeypatch, lost):
        start_process(str(new.id))
    with monkeypatch.context() as patch:

        def away(self: Engine, *_: Any) -> Any:
            raise EngineUnavailable("connection refused", maybe_done=False)

        patch.setattr(Engine, "instances_by_business_key", away)
        start_process(str(new.id))

    start_process(str(new.id))

    assert running(bench) == [row_of(bench, new).process_instance_id]
    assert len(steps_of(bench)) == 1


@pytest.mark.parametrize("status", [OK, CANCELLED])
def test_process_that_is_ended_while_it_starts_leaves_no_instance(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    new = accept(bench)

    def end() -> None:
        assert bench.runtime.processes.settle(new.id, Ending(status, engine_open=True))

    with after_start(monkeypatch, end):
        start_process(str(new.id))

    assert running(bench) == []
    assert steps_of(bench) == []


def test_instance_whose_id_was_not_written_is_deleted_with_its_cancelled_process(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = accept(bench)
    with after_start(monkeypatch, lost):
        start_process(str(new.id))
    assert len(running(bench)) == 1
    assert bench.runtime.processes.settle(new.id, Ending(CANCELLED, engine_open=True))

    close_instance(str(new.id))

    assert running(bench) == []
    assert not row_of(bench, new).engine_open


def test_cancel_while_a_start_may_be_under_way_looks_again_until_its_instance_is_there(bench: Bench) -> None:
    new = accept(bench)
    processes = bench.runtime.processes
    assert processes.claim(new.id, "token", for_s=60)[1]
    assert processes.settle(new.id, Ending(CANCELLED, engine_open=True))

    # The engine has not committed the instance yet.
    close_instance(str(new.id))
    assert row_of(bench, new).engine_open
    context = ExecutionContext(str(new.id), bench.key, new.traceability_id, process_key=bench.key)
    bench.engine.start(bench.key, bench.key, to_engine({CONTEXT_VARIABLE: context.to_variable()}))
    assert len(running(bench)) == 1
    close_instance(str(new.id))

    assert running(bench) == []
    assert not row_of(bench, new).engine_open


def test_cancel_after_the_claim_expired_is_done_without_an_instance(bench: Bench) -> None:
    new = accept(bench)
    assert bench.runtime.processes.claim(new.id, "token", for_s=-1)[1]
    assert bench.runtime.processes.settle(new.id, Ending(CANCELLED, engine_open=True))

    close_instance(str(new.id))

    assert not row_of(bench, new).engine_open


def test_claimant_that_comes_late_records_its_instance_which_is_the_first(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_module, "CLAIM_MARGIN_S", -1000.0)  # a claim expires as soon as it is made
    new = accept(bench)

    def another_claims() -> None:
        assert bench.runtime.processes.claim(new.id, "another", for_s=60)[1]

    with after_start(monkeypatch, another_claims):
        start_process(str(new.id))

    assert running(bench) == [row_of(bench, new).process_instance_id]


def test_pause_of_the_starts_queue_is_renewed_while_no_slot_is_free(bench: Bench) -> None:
    accept(bench)
    redis = bench.runtime.redis
    send_heartbeat(redis, "worker@here", 1, 1)
    bench.runtime.settings = replace(bench.runtime.settings, max_running=1)
    row = NewProcess(uuid.uuid4(), "running", "0" * 64, bench.key, {}, "trace")
    assert bench.runtime.processes.accept(row)
    assert bench.runtime.processes.record_instance(row.id, "runs")

    poll()

    assert "MAX_RUNNING" in str(redis.get(PAUSED_KEY))
    assert redis.exists(BACKLOG_KEY)
