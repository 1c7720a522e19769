"""Worker capacity: the slots of live workers, minus queued and running steps."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import redis

from dev.broker import Broker
from tasks.broker import worker_capacity
from tasks.broker.worker_capacity import (
    BACKLOG_KEY,
    HEARTBEAT_LIFETIME_S,
    MAX_AGE_S,
    WORKERS_KEY,
    Capacity,
    Heartbeat,
    WorkerCapacity,
    forget_worker,
    live_workers,
    send_heartbeat,
)

QUEUES = ("steps.a", "steps.b")


@dataclass
class Clock:
    """A clock instead of the module `time`."""

    seconds: float = field(default_factory=time.time)

    def time(self) -> float:
        return self.seconds

    monotonic = time


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(worker_capacity, "time", clock)
    monkeypatch.setattr(worker_capacity, "broker_now", clock.time)
    return clock


@pytest.fixture
def capacity(client: redis.Redis) -> WorkerCapacity:
    return WorkerCapacity(client, QUEUES)


def test_without_workers_no_slot_is_free(capacity: WorkerCapacity) -> None:
    assert capacity.read() == Capacity(0, backlog=False)


def test_free_slots_are_slots_minus_queued_and_running_steps(client: redis.Redis, capacity: WorkerCapacity) -> None:
    send_heartbeat(client, "one", 8, 3)
    send_heartbeat(client, "two", 4, 0)
    client.rpush("steps.a", "1", "2")
    client.rpush("steps.b", "3")
    client.rpush("starts", *"4567")
    assert capacity.read().free == 12 - 3 - 3


def test_free_slots_are_never_negative(client: redis.Redis, capacity: WorkerCapacity) -> None:
    send_heartbeat(client, "one", 1, 1)
    client.rpush("steps.a", *"12345")
    assert capacity.read().free == 0


def test_worker_without_a_recent_heartbeat_has_no_slots(
    client: redis.Redis, capacity: WorkerCapacity, clock: Clock
) -> None:
    send_heartbeat(client, "one", 8, 0)
    clock.seconds += HEARTBEAT_LIFETIME_S - 0.1
    assert capacity.read(fresh=True).free == 8
    clock.seconds += 0.2
    assert capacity.read(fresh=True).free == 0


def test_slots_of_a_stopped_worker_are_removed(client: redis.Redis, capacity: WorkerCapacity) -> None:
    send_heartbeat(client, "one", 8, 0)
    send_heartbeat(client, "two", 8, 0)
    forget_worker(client, "one")
    assert capacity.read().free == 8
    assert set(live_workers(client.hgetall(WORKERS_KEY))) == {"two"}


def test_last_heartbeat_of_a_worker_counts(client: redis.Redis) -> None:
    send_heartbeat(client, "one", 8, 1)
    send_heartbeat(client, "one", 8, 5)
    assert live_workers(client.hgetall(WORKERS_KEY)) == {"one": Heartbeat(8, 5)}


def test_live_workers_are_those_whose_heartbeat_has_not_expired(clock: Clock) -> None:
    beats = {"old": clock.seconds - 0.1, "live": clock.seconds + 0.1}
    fields = {name: json.dumps({"slots": 1, "running": 0, "until": until}) for name, until in beats.items()}
    assert set(live_workers(fields)) == {"live"}


def test_count_is_kept_for_a_moment(client: redis.Redis, capacity: WorkerCapacity, clock: Clock) -> None:
    send_heartbeat(client, "one", 8, 0)
    assert capacity.read().free == 8
    send_heartbeat(client, "two", 8, 0)
    assert capacity.read().free == 8
    assert capacity.read(fresh=True).free == 16
    client.rpush("steps.a", "1")
    clock.seconds += MAX_AGE_S + 0.01
    assert capacity.read().free == 15


def test_queued_steps_are_remembered_until_the_next_count(client: redis.Redis, capacity: WorkerCapacity) -> None:
    send_heartbeat(client, "one", 8, 0)
    capacity.read()
    capacity.reserve(5)
    assert capacity.read().free == 3
    capacity.reserve(5)
    assert capacity.read().free == 0
    assert capacity.read(fresh=True).free == 8


def test_backlog_is_seen_by_others_until_it_is_cleared(client: redis.Redis, capacity: WorkerCapacity) -> None:
    capacity.mark_backlog()
    assert WorkerCapacity(client, QUEUES).read().backlog
    assert 0 < client.pttl(BACKLOG_KEY) <= worker_capacity.BACKLOG_LIFETIME_MS
    capacity.clear_backlog()
    assert not capacity.read(fresh=True).backlog


def test_no_slot_is_free_while_redis_is_unavailable(own_broker: Broker) -> None:
    client = redis.Redis.from_url(own_broker.url, decode_responses=True, socket_timeout=2)
    capacity = WorkerCapacity(client, QUEUES)
    send_heartbeat(client, "one", 8, 0)
    assert capacity.read(fresh=True).free == 8
    own_broker.process.kill()
    assert capacity.read(fresh=True) == Capacity(0)
    capacity.mark_backlog()
    capacity.clear_backlog()
    own_broker.start()
    own_broker.wait_ready()
    send_heartbeat(client, "one", 8, 0)
    assert capacity.read(fresh=True).free == 8
    client.close()
