"""A worker's parent reports a child that died with a task."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from weakref import ref

import pytest
import redis
from billiard import Pool
from billiard.exceptions import WorkerLostError
from kombu.asynchronous import Hub, get_event_loop, set_event_loop
from structlog.contextvars import clear_contextvars, get_contextvars

from tasks.worker.bootsteps import report_killed_child
from tasks.worker.shutdown import grace_expired, has_ended
from tests.support.facade import Facade

BODY = {"version": 1, "id": "external", "topic": "onboard-user.respond", "instanceId": "pi", "businessKey": "order-1"}


@pytest.fixture
def loop() -> Iterator[Hub]:
    before = get_event_loop()
    hub = Hub()
    set_event_loop(hub)
    yield hub
    set_event_loop(before)
    hub.close()
    grace_expired.clear()
    clear_contextvars()


def die(name: str = "run_step", args: Any = (BODY,)) -> None:
    report_killed_child(
        sender=SimpleNamespace(name=name), task_id="celery-id", exception=WorkerLostError("signal 9"), args=args
    )


def test_child_that_dies_with_a_step_is_reported(facade: Facade, client: redis.Redis, loop: Hub) -> None:
    die()
    (text,) = client.lrange("settling", 0, -1)  # type: ignore[misc]
    assert json.loads(text)["headers"]["shadow"] == "report killed onboard-user.respond"


def test_child_that_is_cut_off_has_not_failed(facade: Facade, client: redis.Redis, loop: Hub) -> None:
    grace_expired.set()
    die()
    assert client.llen("settling") == 0


def test_lines_of_this_turn_of_the_loop_are_about_its_task_and_those_of_the_next_are_not(
    facade: Facade, client: redis.Redis, loop: Hub
) -> None:
    die()
    assert get_contextvars() == {
        "taskId": "celery-id",
        "task": "run_step",
        "correlationId": "order-1",
        "processInstanceId": "pi",
        "externalTaskId": "external",
        "topic": "onboard-user.respond",
    }
    for ready in loop._pop_ready():
        ready()
    assert get_contextvars() == {}


def test_other_tasks_that_die_are_named_and_nothing_is_reported(facade: Facade, client: redis.Redis, loop: Hub) -> None:
    die("start_process", ["row"])
    assert get_contextvars() == {"taskId": "celery-id", "task": "start_process"}
    assert client.llen("settling") == 0


def test_request_has_ended_when_the_pool_has_its_result_and_not_before(tmp_path: Path) -> None:
    until = tmp_path / "until"
    pool = Pool(1)
    try:
        job = pool.apply_async(wait_for, (str(until),))
        running = SimpleNamespace(_apply_result=ref(job))
        assert not has_ended(SimpleNamespace(_apply_result=None)), "a task that waits for a child"
        assert not has_ended(running)
        until.touch()
        job.get(timeout=30)
        assert has_ended(running)
        del job
        assert has_ended(running)
    finally:
        pool.terminate()
        pool.join()


def wait_for(path: str) -> None:
    deadline = time.monotonic() + 30
    while not Path(path).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
