"""A start fetches its first step, in the way that is the cheaper one now."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from camunda_bridge.client import Engine
from store.processes import NewProcess
from tasks import follow
from tasks.room import send_heartbeat
from tasks.start import start_process
from tasks.ways import Way, Ways
from tests.integration.step_bench import Bench


def start(bench: Bench) -> list[dict[str, Any]]:
    """Start a process as a control worker does; the steps that were enqueued."""
    bench.deploy({})
    redis = bench.runtime.redis
    redis.flushall()
    send_heartbeat(redis, "worker@here", 8, 0)
    new = NewProcess(uuid.uuid4(), bench.key, "0" * 64, bench.key, {"item": "x"}, f"trace-{bench.key}")
    assert bench.runtime.processes.accept(new)

    start_process(str(new.id))

    row = bench.runtime.processes.by_id(new.id)
    assert row is not None
    assert row.process_instance_id is not None
    return [json.loads(text) for text in redis.lrange(f"steps.{bench.key}", 0, -1)]


def count(monkeypatch: pytest.MonkeyPatch, name: str) -> list[object]:
    """Note each call of a method of the engine's."""
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
    ways = Ways()
    ways.note(Way.BY_KEY, took_s)
    monkeypatch.setattr(follow, "_ways", ways)
    calls = {name: count(monkeypatch, name) for name in ("fetch_and_lock", "lock_ready")}

    (step,) = start(bench)

    assert step["headers"]["shadow"] == f"{bench.key}.a"
    assert {name: len(found) for name, found in calls.items()} == {"fetch_and_lock": 0, "lock_ready": 0} | {way: 1}
