"""Paused and limited topics, with the real engine, a real Redis, and a queue whose messages only the test takes."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from camunda_bridge.client import Engine
from camunda_bridge.engine.locked_task import Topic
from camunda_bridge.session import EngineSession
from camunda_bridge.variables import to_engine
from service import topics
from store.event_rows import COMPLETED
from tasks.broker.start_throttle import PAUSED_KEY, pause_starts
from tasks.broker.worker_capacity import send_heartbeat, worker_capacity
from tasks.fetching.fetch import fetch
from tasks.fetching.follow import follow
from tasks.fetching.poll import poll
from tasks.fetching.unlock import unlock_task
from tasks.processes import registry
from tasks.steps import run as step_module
from tasks.steps.killed import report_killed
from tasks.topics import leases
from tests.contract.bpmn import external
from tests.integration.step_bench import Bench, held_by


@pytest.fixture
def limited(bench: Bench) -> Bench:
    """A process whose one step has a limit of one at a time, and a worker with free slots."""
    bench.deploy({"done": True})
    bench.runtime.redis.flushall()
    send_heartbeat(bench.runtime.redis, "worker", 8, 0)
    topics.limit(topic(bench).name, {"max_concurrency": 1}, actor="ada")
    return bench


def topic(bench: Bench, step: str = "a") -> Topic:
    return Topic(f"{bench.key}.{step}")


def start(bench: Bench, number: int) -> list[str]:
    return [bench.engine.start(bench.key, f"{bench.key}-{index}", to_engine({})).id for index in range(number)]


def queued(bench: Bench) -> int:
    return int(bench.runtime.redis.llen(bench.definition.queue))  # type: ignore[arg-type]


def message(bench: Bench) -> dict[str, Any]:
    """Take the oldest message from the queue, as a worker does."""
    text: Any = bench.runtime.redis.rpop(bench.definition.queue)
    (body,), _, _ = json.loads(base64.b64decode(json.loads(text)["body"]))
    found: dict[str, Any] = body
    return found


def test_end_of_a_limited_step_fetches_the_next_one_at_once(limited: Bench) -> None:
    start(limited, 3)
    assert fetch([topic(limited)], max_tasks=10).enqueued == 1
    for _ in range(3):
        assert queued(limited) == 1
        # Then a worker sends a heartbeat, and a poll fetches nothing.
        send_heartbeat(limited.runtime.redis, "worker", 8, 0)
        assert fetch([topic(limited)], max_tasks=10).held_back
        body = message(limited)
        assert body["permit"]
        step_module.run_step(body)
    assert queued(limited) == 0
    assert len(limited.calls) == 3


def test_unlocked_task_releases_its_own_lease_and_no_other(limited: Bench) -> None:
    topics.limit(topic(limited).name, {"max_concurrency": 2}, actor="ada")
    start(limited, 3)
    assert fetch([topic(limited)], max_tasks=10).enqueued == 2
    assert leases.in_flight(topic(limited).name) == 2
    body = message(limited)

    for _ in range(2):
        # the message of a version that is not known here, and it comes twice
        step_module.run_step({**body, "version": 99})
        assert leases.in_flight(topic(limited).name) == 1

    assert held_by(limited.engine, body["id"]) is None
    assert fetch([topic(limited)], max_tasks=10).enqueued == 1
    # Now another attempt has the task, with a lease of its own.
    unlock_task(limited.engine, body, "late")
    assert leases.in_flight(topic(limited).name) == 2


def test_lease_of_an_unlocked_task_is_released_even_if_the_engine_is_unavailable(limited: Bench) -> None:
    start(limited, 1)
    assert fetch([topic(limited)], max_tasks=10).enqueued == 1
    away = Engine(EngineSession("http://127.0.0.1:1/engine-rest"))
    unlock_task(away, message(limited), "cut off")
    assert leases.in_flight(topic(limited).name) == 0


def test_fetch_that_the_engine_refuses_releases_its_leases(
    limited: Bench, monkeypatch: pytest.MonkeyPatch, engine_url: str
) -> None:
    start(limited, 1)
    with monkeypatch.context() as patch:
        patch.setitem(vars(limited.runtime), "engine", Engine(EngineSession(f"{engine_url}/nowhere")))
        refused = fetch([topic(limited)], max_tasks=1)
    assert (refused.enqueued, refused.covers_all, refused.engine_answered) == (0, False, False)
    assert leases.in_flight(topic(limited).name) == 0
    assert fetch([topic(limited)], max_tasks=1).enqueued == 1


def test_step_ends_well_even_if_the_next_of_its_topic_is_refused(
    limited: Bench, monkeypatch: pytest.MonkeyPatch, engine_url: str
) -> None:
    start(limited, 1)
    assert fetch([topic(limited)], max_tasks=1).enqueued == 1
    assert fetch([topic(limited)], max_tasks=1).held_back
    with monkeypatch.context() as patch:
        patch.setitem(vars(limited.runtime), "engine", Engine(EngineSession(f"{engine_url}/nowhere")))
        report_killed(message(limited), "killed")
    assert leases.in_flight(topic(limited).name) == 0


def test_limit_holds_for_the_tasks_of_one_instance_too(limited: Bench) -> None:
    limited.definition.bpmn_path.write_text(FORK.replace("{key}", limited.key))
    limited.engine.deploy(limited.key, {limited.definition.bpmn_path.name: limited.definition.bpmn_path.read_bytes()})
    limited.engine.start(limited.key, limited.key, to_engine({}))

    assert follow(limited.key, limited.key).enqueued == 1

    tasks = limited.engine.session.get("/external-task", topicName=topic(limited).name)
    assert sorted(held_by(limited.engine, task["id"]) is None for task in tasks) == [False, True]


@pytest.mark.parametrize(("waiting", "of_limited", "of_other"), [(10, 3, 3), (1, 1, 5), (0, 0, 6)])
def test_limited_topic_leaves_others_their_share_and_what_it_does_not_use(
    limited: Bench, waiting: int, of_limited: int, of_other: int
) -> None:
    topics.limit(topic(limited).name, {"max_concurrency": 100}, actor="ada")
    start(limited, waiting)
    other = Topic(f"{limited.key}.b")
    limited.definition.step("b")(lambda given: {})
    path = limited.definition.bpmn_path
    path.write_text(path.read_text().replace(topic(limited).name, other.name))
    limited.engine.deploy(limited.key, {path.name: path.read_bytes()})
    registry.add(limited.definition)
    start(limited, 10)

    assert fetch([topic(limited), other], max_tasks=6).enqueued == 6

    names = [message(limited)["topic"] for _ in range(6)]
    assert sorted(names) == [topic(limited).name] * of_limited + [other.name] * of_other


@pytest.mark.parametrize(("chance", "is_asked"), [(0.0, False), (0.99, True)])
def test_topic_that_gets_no_share_does_not_count_as_empty(
    limited: Bench, monkeypatch: pytest.MonkeyPatch, chance: float, is_asked: bool
) -> None:
    monkeypatch.setattr("tasks.fetching.fetch.random.random", lambda: chance)
    followed = fetch([topic(limited), Topic(f"{limited.key}.b")], max_tasks=1)
    assert (followed.enqueued, followed.covers_all, followed.engine_answered) == (0, is_asked, True)


def test_paused_topic_is_neither_polled_nor_followed(limited: Bench) -> None:
    (instance,) = start(limited, 1)
    topics.pause([topic(limited).name], None, actor="ada")
    assert fetch([topic(limited)], max_tasks=5).enqueued == 0
    assert follow(limited.key, f"{limited.key}-0").enqueued == 0
    # Redis has a copy; without it the store is read.
    limited.runtime.redis.flushall()
    send_heartbeat(limited.runtime.redis, "worker", 8, 0)
    worker_capacity().read(fresh=True)
    assert fetch([topic(limited)], max_tasks=5).enqueued == 0

    topics.resume([topic(limited).name], actor="ada")

    assert follow(limited.key, f"{limited.key}-0").enqueued == 1
    step_module.run_step(message(limited))
    ended = limited.engine.historic_instance(instance)
    assert ended is not None
    assert ended["state"] == "COMPLETED"


@pytest.mark.parametrize("is_there", [True, False])
def test_starts_queue_is_paused_by_the_engine_even_when_every_topic_is_paused(
    limited: Bench, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    for each in registry.topics():
        topics.pause([each.name], None, actor="ada")
    away = Engine(EngineSession("http://127.0.0.1:1/engine-rest"))
    if is_there:
        pause_starts("a moment ago it was away")
    with monkeypatch.context() as patch:
        if not is_there:
            patch.setitem(vars(limited.runtime), "engine", away)
        poll()

    why = limited.runtime.redis.get(PAUSED_KEY)
    assert why == (None if is_there else "the engine is unavailable")


def test_step_that_was_locked_before_the_pause_ends(limited: Bench) -> None:
    start(limited, 1)
    assert fetch([topic(limited)], max_tasks=5).enqueued == 1
    topics.pause([topic(limited).name], None, actor="ada")
    step_module.run_step(message(limited))
    (event,) = limited.runtime.events.by_correlation_id(f"{limited.key}-0")
    assert event.phase == COMPLETED


def test_code_declares_a_limit_and_ops_change_it(bench: Bench) -> None:
    bench.deploy({}, external("b"), max_concurrency=3, rate="10/minute")
    name = topic(bench).name

    def holds() -> tuple[int | None, str | None]:
        view = topics.view(name)
        assert view is not None
        return view.state.max_concurrency, view.state.rate

    assert holds() == (3, "10/minute")
    topics.limit(name, {"max_concurrency": 0}, actor="ada")
    assert holds() == (None, "10/minute")
    topics.limit(name, {"rate": "none"}, actor="ada")
    assert holds() == (None, None)
    topics.limit(name, {"max_concurrency": None, "rate": "1/hour"}, actor="ada")
    assert holds() == (3, "1/hour")


FORK = """<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:camunda="http://camunda.org/schema/1.0/bpmn" targetNamespace="test">
  <process id="{key}" isExecutable="true" camunda:historyTimeToLive="P1D">
    <startEvent id="start"/><parallelGateway id="fork"/><parallelGateway id="join"/><endEvent id="end"/>
    <serviceTask id="a" camunda:type="external" camunda:topic="{key}.a"/>
    <serviceTask id="a2" camunda:type="external" camunda:topic="{key}.a"/>
    <sequenceFlow id="f1" sourceRef="start" targetRef="fork"/>
    <sequenceFlow id="f2" sourceRef="fork" targetRef="a"/><sequenceFlow id="f3" sourceRef="fork" targetRef="a2"/>
    <sequenceFlow id="f4" sourceRef="a" targetRef="join"/><sequenceFlow id="f5" sourceRef="a2" targetRef="join"/>
    <sequenceFlow id="f6" sourceRef="join" targetRef="end"/>
  </process>
</definitions>
"""
