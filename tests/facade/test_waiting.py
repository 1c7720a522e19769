"""Waits end by a publication on a real Redis, by a sweep of the rows if none came, or with their time."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import redis
from celery import Celery

from app.starts import waiting
from app.starts.waiting import CHANNEL_PREFIX, Payload, Wait, Waiters
from dev.broker import Broker

#: seconds that a test waits for an event that should come at once
PATIENCE_S = 10.0
#: seconds; longer than any test
NEVER_S = 3_600.0
#: the name of the waiters' connections on the server, to distinguish them from those of other tests
SUBSCRIBERS = "waiters"


class Rows:
    """The rows of ended processes, and the reads of them."""

    def __init__(self) -> None:
        self.ended: dict[uuid.UUID, Payload] = {}
        self.asked: list[set[uuid.UUID]] = []
        self.fault: Exception | None = None

    def __call__(self, process_ids: list[uuid.UUID]) -> dict[uuid.UUID, Payload]:
        self.asked.append(set(process_ids))
        if self.fault is not None:
            raise self.fault
        return {one: self.ended[one] for one in process_ids if one in self.ended}


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def sweeping(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the sweep read rows soon; without this fixture it never does."""
    monkeypatch.setattr(waiting, "SWEEP_EVERY_S", 0.02)
    monkeypatch.setattr(waiting, "SWEEP_AFTER_S", 0.05)


@pytest.fixture
def make(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Waiters]]:
    """Make waiters; after the test their subscribers are disconnected and do not reconnect."""
    monkeypatch.setattr(waiting, "SWEEP_AFTER_S", NEVER_S)
    over = threading.Event()
    brokers: list[Broker] = []
    all_made: list[Waiters] = []
    parked: list[threading.Thread] = []

    def made(broker: Broker, limit: int = 100) -> Waiters:
        def connect() -> redis.Redis:
            if over.is_set():
                parked.append(threading.current_thread())
                threading.Event().wait()
            return redis.Redis.from_url(broker.url, socket_connect_timeout=2.0, client_name=SUBSCRIBERS)

        brokers.append(broker)
        all_made.append(Waiters(connect, rows, limit=limit))
        return all_made[-1]

    def drop() -> bool:
        for broker in brokers:
            # A broker that the test has stopped has no subscribers.
            with suppress(redis.RedisError), redis.Redis.from_url(broker.url) as client:
                client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        return len(parked) == sum(one._running for one in all_made)

    yield made
    over.set()
    # Until each subscriber has stopped, not only until none is subscribed: redis-py subscribes once more before it
    # reports a closed connection, and the next test would mistake that subscription for its own.
    eventually(drop)


def eventually(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true"
        time.sleep(0.005)


def subscribed(client: redis.Redis) -> None:
    eventually(lambda: client.pubsub_numpat() >= 1)


def publish(client: redis.Redis, process_id: uuid.UUID, result: Any, status: str = "SUCCESS") -> None:
    client.publish(f"{CHANNEL_PREFIX}{process_id}", json.dumps({"status": status, "result": result}))


def waits(waiters: Waiters, process_id: uuid.UUID) -> Any:
    return waiters.waiting(process_id)


# -- publications


def test_result_that_celery_stores_wakes_its_wait(
    make: Callable[..., Waiters], shared_broker: Broker, client: redis.Redis
) -> None:
    waiters, process_id = make(shared_broker), uuid.uuid4()
    with waits(waiters, process_id) as wait:
        subscribed(client)
        backend = Celery("test", backend=shared_broker.url).backend
        begun = time.monotonic()
        backend.store_result(str(process_id), {"status": "ok", "result": {"ü": [None]}}, "SUCCESS")
        assert wait.result(PATIENCE_S) == {"status": "ok", "result": {"ü": [None]}}
        assert time.monotonic() - begun < 1


def test_every_wait_for_one_process_is_woken_and_no_other(
    make: Callable[..., Waiters], shared_broker: Broker, client: redis.Redis
) -> None:
    waiters, one, other = make(shared_broker), uuid.uuid4(), uuid.uuid4()
    with waits(waiters, one) as first, waits(waiters, one) as second, waits(waiters, other) as third:
        assert waiters.count == 3
        subscribed(client)
        publish(client, one, {"status": "ok"})
        assert first.result(PATIENCE_S) == second.result(PATIENCE_S) == {"status": "ok"}
        assert third.result(0.05) is None
    assert waiters.count == 0


def test_one_connection_serves_every_wait(
    make: Callable[..., Waiters], shared_broker: Broker, client: redis.Redis
) -> None:
    waiters = make(shared_broker, 1_000)
    ids = [uuid.uuid4() for _ in range(300)]
    managers = [waits(waiters, one) for one in ids]
    entered: list[Wait] = [manager.__enter__() for manager in managers]
    subscribed(client)
    assert [one["name"] for one in client.client_list()].count(SUBSCRIBERS) == 1
    for one in ids:
        publish(client, one, {"status": "ok", "id": str(one)})
    assert [wait.result(PATIENCE_S) for wait in entered] == [{"status": "ok", "id": str(one)} for one in ids]
    for manager in managers:
        manager.__exit__(None, None, None)
    assert waiters.count == 0


@pytest.mark.parametrize(
    ("status", "result"),
    [("FAILURE", {"status": "ok"}), ("STARTED", {}), ("SUCCESS", None), ("SUCCESS", "text"), ("RETRY", None)],
)
def test_other_publications_wake_no_wait(
    make: Callable[..., Waiters], shared_broker: Broker, client: redis.Redis, status: str, result: Any
) -> None:
    waiters, process_id = make(shared_broker), uuid.uuid4()
    with waits(waiters, process_id) as wait:
        subscribed(client)
        publish(client, process_id, result, status)
        publish(client, process_id, {"status": "ok"})
        assert wait.result(PATIENCE_S) == {"status": "ok"}


def test_publication_that_is_no_json_does_no_lasting_harm(
    make: Callable[..., Waiters], shared_broker: Broker, client: redis.Redis
) -> None:
    waiters, process_id = make(shared_broker), uuid.uuid4()
    with waits(waiters, process_id) as wait:
        subscribed(client)
        client.publish(f"{CHANNEL_PREFIX}{process_id}", "no json")

        def woken() -> bool:
            publish(client, process_id, {"status": "ok"})
            return wait.result(0.1) is not None

        eventually(woken)


def test_large_result_is_read_from_its_row(
    make: Callable[..., Waiters], shared_broker: Broker, client: redis.Redis, rows: Rows
) -> None:
    waiters, process_id = make(shared_broker), uuid.uuid4()
    rows.ended[process_id] = {"status": "ok", "result": "x" * 100_000}
    with waits(waiters, process_id) as wait:
        subscribed(client)
        publish(client, process_id, {"status": "ok", "row": str(process_id)})
        assert wait.result(PATIENCE_S) == rows.ended[process_id]


# -- sweeps


@pytest.fixture
def _sweeping_after_make(make: object, sweeping: None) -> None:
    """The fixture `sweeping`, after `make` has switched the sweep off."""


@pytest.mark.usefixtures("_sweeping_after_make")
def test_end_that_was_not_published_is_found_in_the_row(
    make: Callable[..., Waiters], shared_broker: Broker, rows: Rows
) -> None:
    waiters, process_id = make(shared_broker), uuid.uuid4()
    with waits(waiters, process_id) as wait:
        eventually(lambda: rows.asked)
        assert wait.result(0.01) is None
        rows.ended[process_id] = {"status": "ok"}
        assert wait.result(PATIENCE_S) == {"status": "ok"}


@pytest.mark.usefixtures("_sweeping_after_make")
def test_rows_are_not_read_while_no_request_waits_long(
    make: Callable[..., Waiters], shared_broker: Broker, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "SWEEP_AFTER_S", NEVER_S)
    waiters = make(shared_broker)
    with waits(waiters, uuid.uuid4()) as wait:
        assert wait.result(0.2) is None
    assert rows.asked == []


@pytest.mark.usefixtures("_sweeping_after_make")
def test_sweep_survives_an_unavailable_database(
    make: Callable[..., Waiters], shared_broker: Broker, rows: Rows
) -> None:
    waiters, process_id = make(shared_broker), uuid.uuid4()
    rows.fault = RuntimeError("away")
    with waits(waiters, process_id) as wait:
        eventually(lambda: len(rows.asked) >= 2)
        rows.ended[process_id] = {"status": "ok"}
        rows.fault = None
        assert wait.result(PATIENCE_S) == {"status": "ok"}


@pytest.mark.usefixtures("_sweeping_after_make")
def test_wait_ends_while_redis_is_unavailable(make: Callable[..., Waiters], own_broker: Broker, rows: Rows) -> None:
    waiters, process_id = make(own_broker), uuid.uuid4()
    own_broker.process.kill()
    with waits(waiters, process_id) as wait:
        rows.ended[process_id] = {"status": "ok"}
        assert wait.result(PATIENCE_S) == {"status": "ok"}


def test_subscription_is_renewed_after_redis_was_unavailable(make: Callable[..., Waiters], own_broker: Broker) -> None:
    waiters, process_id = make(own_broker), uuid.uuid4()
    client = redis.Redis.from_url(own_broker.url, decode_responses=True)
    with waits(waiters, process_id) as wait:
        subscribed(client)
        own_broker.process.kill()
        own_broker.start()
        own_broker.wait_ready()
        subscribed(client)
        publish(client, process_id, {"status": "ok"})
        assert wait.result(PATIENCE_S) == {"status": "ok"}
    client.close()


def test_disconnected_subscriber_reconnects(make: Callable[..., Waiters], own_broker: Broker) -> None:
    waiters, process_id = make(own_broker), uuid.uuid4()
    client = redis.Redis.from_url(own_broker.url, decode_responses=True)
    with waits(waiters, process_id) as wait:
        subscribed(client)
        client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")

        def woken() -> bool:
            publish(client, process_id, {"status": "ok"})
            return wait.result(0.05) is not None

        eventually(woken)
    client.close()


# -- limits and ends


def test_wait_ends_with_its_time(make: Callable[..., Waiters], shared_broker: Broker) -> None:
    with waits(make(shared_broker), uuid.uuid4()) as wait:
        begun = time.monotonic()
        assert wait.result(0.1) is None
        assert 0.1 <= time.monotonic() - begun < 2


def test_past_the_limit_no_request_waits(make: Callable[..., Waiters], shared_broker: Broker) -> None:
    waiters = make(shared_broker, limit=2)
    with waits(waiters, uuid.uuid4()) as first, waits(waiters, uuid.uuid4()) as second:
        assert first is not None
        assert second is not None
        with waits(waiters, uuid.uuid4()) as third:
            assert third is None
        assert waiters.count == 2
    with waits(waiters, uuid.uuid4()) as again:
        assert again is not None


def test_place_is_released_when_the_request_fails(make: Callable[..., Waiters], shared_broker: Broker) -> None:
    waiters = make(shared_broker, limit=1)
    for _ in range(3):
        with pytest.raises(RuntimeError), waits(waiters, uuid.uuid4()):
            raise RuntimeError
    assert waiters.count == 0
    assert waiters._waits == {}


@pytest.mark.usefixtures("_sweeping_after_make")
def test_closing_ends_every_wait_and_begins_none(make: Callable[..., Waiters], shared_broker: Broker) -> None:
    waiters = make(shared_broker)
    with waits(waiters, uuid.uuid4()) as wait:
        waiters.close_within(0)
        begun = time.monotonic()
        assert wait.result(60) is None
        assert time.monotonic() - begun < PATIENCE_S
    with waits(waiters, uuid.uuid4()) as late:
        assert late is None


@pytest.mark.usefixtures("_sweeping_after_make")
def test_waits_continue_within_the_grace_period(
    make: Callable[..., Waiters], shared_broker: Broker, client: redis.Redis
) -> None:
    waiters, process_id = make(shared_broker), uuid.uuid4()
    with waits(waiters, process_id) as wait:
        subscribed(client)
        waiters.close_within(60)
        publish(client, process_id, {"status": "ok"})
        assert wait.result(PATIENCE_S) == {"status": "ok"}


def test_a_thousand_waits_begin_and_end_at_once(
    make: Callable[..., Waiters], shared_broker: Broker, client: redis.Redis
) -> None:
    waiters = make(shared_broker, limit=1_000)
    woken: list[Payload | None] = []

    def request(process_id: uuid.UUID) -> None:
        with waits(waiters, process_id) as wait:
            woken.append(wait.result(PATIENCE_S))

    ids = [uuid.uuid4() for _ in range(200)]
    threads = [threading.Thread(target=request, args=(one,)) for one in ids for _ in range(2)]
    for thread in threads:
        thread.start()
    eventually(lambda: waiters.count == 400)
    subscribed(client)
    for one in ids:
        publish(client, one, {"status": "ok"})
    for thread in threads:
        thread.join(PATIENCE_S)
    assert woken == [{"status": "ok"}] * 400
    assert (waiters.count, waiters._waits) == (0, {})
