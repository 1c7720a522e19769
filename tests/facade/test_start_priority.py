"""The priority of a start: in the request, the row, the message, the status, and in every message sent again."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
import redis
from flower.utils.broker import Broker
from kombu import Consumer
from kombu.message import Message

from camunda_bridge.engine.locked_task import LockedTask
from store import processes
from store.clock import now
from tasks import app
from tasks.broker.publish import send_step, send_tick
from tasks.broker.start_priority import HIGHEST, LOWEST, STARTS_LISTS, list_of
from tasks.broker.step_message import StepMessage
from tasks.settling import reconcile
from tests.support.facade import USER, Facade, problem

#: seconds that a consumer may take to read what waits
PATIENCE_S = 30


@pytest.fixture(scope="module", autouse=True)
def _tasks() -> None:
    app.loader.import_default_modules()


def start(facade: Facade, correlation_id: str, **more: Any) -> Any:
    body = {"processKey": "onboard-user", "variables": USER, "correlationId": correlation_id, **more}
    return facade.post("/api/process/start", body, Prefer="respond-async")


def waiting(client: redis.Redis) -> dict[str, list[str]]:
    """The correlation ids in each list of starts that exists, oldest first."""
    return {
        name: [json.loads(text)["headers"]["argsrepr"].strip("()") for text in reversed(client.lrange(name, 0, -1))]  # type: ignore[arg-type]
        for name in STARTS_LISTS
        if client.exists(name)
    }


def test_start_without_a_priority_has_priority_0(facade: Facade, client: redis.Redis) -> None:
    assert start(facade, "plain").status_code == 202
    assert facade.rows()[0].priority == 0
    assert facade.http.get("/api/process/status/plain").get_json()["priority"] == 0
    assert waiting(client) == {"starts": ["plain"]}


@pytest.mark.parametrize("priority", [LOWEST, -1, 1, HIGHEST])
def test_priority_is_in_the_row_the_status_and_the_queue(facade: Facade, client: redis.Redis, priority: int) -> None:
    assert start(facade, "ranked", priority=priority).status_code == 202
    assert facade.rows()[0].priority == priority
    assert facade.http.get("/api/process/status/ranked").get_json()["priority"] == priority
    (listed,) = facade.http.get("/api/process/status/all").get_json()["processes"]
    assert listed["priority"] == priority
    assert waiting(client) == {list_of(priority): ["ranked"]}


@pytest.mark.parametrize("priority", [LOWEST - 1, HIGHEST + 1, 1.5, "1", True, None, [1], 10**30])
def test_other_priorities_are_refused(facade: Facade, priority: Any) -> None:
    body = problem(start(facade, "wrong", priority=priority), 422, "invalid-fields")
    assert list(body["errors"]) == ["priority"]
    assert facade.rows() == []


def test_whole_number_in_any_form_of_json_is_a_priority(facade: Facade) -> None:
    assert start(facade, "float", priority=2.0).status_code == 202
    assert facade.rows()[0].priority == 2


def test_repeated_start_with_another_priority_joins_the_first_and_changes_nothing(
    facade: Facade, client: redis.Redis
) -> None:
    start(facade, "same", priority=1)
    again = start(facade, "same", priority=5)
    assert again.status_code == 202
    assert again.headers["Idempotency-Replayed"] == "true"
    assert facade.rows()[0].priority == 1
    assert waiting(client) == {list_of(1): ["same"]}


def test_bounds_and_default_are_in_the_openapi_document(facade: Facade) -> None:
    schemas = facade.http.get("/openapi.json").get_json()["components"]["schemas"]
    found = schemas["Start.onboard-user"]["properties"]["priority"]
    assert (found["type"], found["minimum"], found["maximum"], found["default"]) == ("integer", LOWEST, HIGHEST, 0)
    assert schemas["StatusAnswer"]["properties"]["priority"]["type"] == "integer"


def test_limit_of_waiting_starts_holds_for_every_priority(facade: Facade, client: redis.Redis) -> None:
    facade.change(max_pending_starts=2)
    start(facade, "one", priority=-1)
    start(facade, "two")
    problem(start(facade, "three", priority=HIGHEST), 503, "too-many-pending-starts")
    assert waiting(client) == {"starts": ["two"], list_of(-1): ["one"]}


@pytest.fixture
def long_ago(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Move the clock, so that rows are written an hour ago."""
    with monkeypatch.context() as patch:
        patch.setattr(processes, "now", lambda: now() - timedelta(hours=1))
        yield patch


def test_starts_that_redis_lost_are_sent_again_with_their_priorities(
    facade: Facade, client: redis.Redis, long_ago: pytest.MonkeyPatch
) -> None:
    for name, priority in {"bulk-1": -1, "plain-1": 0, "urgent": 3, "bulk-2": -1, "plain-2": 0}.items():
        start(facade, name, priority=priority)
    sent = waiting(client)
    assert sent == {list_of(3): ["urgent"], "starts": ["plain-1", "plain-2"], list_of(-1): ["bulk-1", "bulk-2"]}
    long_ago.undo()
    client.flushall()

    reconcile.resend_starts()

    assert waiting(client) == sent


def test_waiting_start_of_any_priority_is_not_sent_again(
    facade: Facade, client: redis.Redis, long_ago: pytest.MonkeyPatch
) -> None:
    for priority in (LOWEST, 0, HIGHEST):
        start(facade, f"waits{priority}", priority=priority)
    long_ago.undo()
    sent = waiting(client)

    reconcile.resend_starts()

    assert waiting(client) == sent


def test_start_that_finds_no_slot_goes_back_before_the_others_of_its_priority(
    facade: Facade, client: redis.Redis
) -> None:
    for name, priority in {"first": 2, "second": 2, "plain": 0}.items():
        start(facade, name, priority=priority)
    task, message = app.tasks["start_process"], json.loads(client.rpop(list_of(2)))  # type: ignore[arg-type]
    task.push_request(
        id=message["headers"]["id"],
        shadow=message["headers"]["shadow"],
        argsrepr=message["headers"]["argsrepr"],
        # as a worker takes it from the message
        delivery_info={"priority": message["properties"]["priority"]},
    )
    try:
        # No worker has a slot.
        task.run(message["headers"]["id"])
    finally:
        task.pop_request()
    assert waiting(client) == {list_of(2): ["first", "second"], "starts": ["plain"]}


@contextmanager
def worker_reads(*queues: str) -> Iterator[tuple[Consumer, list[str]]]:
    """A consumer of these queues as a worker has it, and the names of the tasks that it has read."""
    read: list[str] = []

    def note(message: Message) -> None:
        read.append(str(message.headers["argsrepr"]).strip("()"))

    with app.connection_for_read() as connection:
        channel = connection.channel()
        consumer = Consumer(channel, [app.amqp.queues[name] for name in queues], on_message=note, no_ack=True)
        with consumer:
            yield consumer, read


def drain(consumer: Consumer, read: list[str], number: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while len(read) < number and time.monotonic() < deadline:
        with suppress(TimeoutError):
            consumer.connection.drain_events(timeout=1)


def test_worker_reads_steps_before_starts_of_any_priority(facade: Facade, client: redis.Redis) -> None:
    for name, priority in {"low": -5, "plain": 0, "urgent": 5, "second": 5}.items():
        start(facade, name, priority=priority)
    send_step(message_of("under-way"))
    with worker_reads("starts", "steps.onboard-user", "polls") as (consumer, read):
        drain(consumer, read, 5)
    assert read == ["under-way", "urgent", "second", "plain", "low"]


def test_paused_queue_of_starts_is_paused_for_every_priority(facade: Facade, client: redis.Redis) -> None:
    for name, priority in {"low": -5, "plain": 0, "urgent": 5}.items():
        start(facade, name, priority=priority)
    with worker_reads("starts", "polls") as (consumer, read):
        consumer.cancel_by_queue("starts")
        send_tick("poll")
        drain(consumer, read, 1)
        assert len(read) == 1
        assert sum(map(len, waiting(client).values())) == 3
        consumer.add_queue(app.amqp.queues["starts"])
        consumer.consume()
        drain(consumer, read, 4)
    assert read[1:] == ["urgent", "plain", "low"]


def message_of(name: str) -> StepMessage:
    task = LockedTask(
        id="t",
        topic="onboard-user.validate-user-information",
        activity_id="a",
        process_definition_id="d",
        process_definition_key="onboard-user",
        process_instance_id="i",
        business_key=name,
        retries=None,
        variables={},
    )
    return StepMessage(task, "token", 0.0, 60.0)


def test_flower_counts_the_starts_of_every_priority(facade: Facade, client: redis.Redis) -> None:
    for priority in (LOWEST, 0, HIGHEST):
        start(facade, f"counted{priority}", priority=priority)
    broker = Broker(facade.settings.redis_url, broker_options=app.conf.broker_transport_options)
    assert asyncio.run(broker.queues(["starts", "polls"])) == [
        {"name": "starts", "messages": 3},
        {"name": "polls", "messages": 0},
    ]


def test_purge_empties_the_starts_of_every_priority(facade: Facade, client: redis.Redis) -> None:
    for priority in (LOWEST, 0, HIGHEST):
        start(facade, f"purged{priority}", priority=priority)
    with app.connection_for_write() as connection:
        assert connection.default_channel.queue_purge("starts") == 3
    assert waiting(client) == {}
