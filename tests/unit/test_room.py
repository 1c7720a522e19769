"""Room: slots of live workers, less what is queued and what runs."""

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
    Heartbeat,
    Room,
    RoomGauge,
    forget_worker,
    live_workers,
    send_heartbeat,
)

QUEUES = ("steps.a", "steps.b")


@dataclass
class Clock:
    """In the place of the module `time`."""

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
def gauge(client: redis.Redis) -> RoomGauge:
    return RoomGauge(client, QUEUES)


def test_without_workers_there_is_no_room(gauge: RoomGauge) -> None:
    assert gauge.read() == Room(0, backlog=False)


def test_room_is_slots_less_queued_and_running(client: redis.Redis, gauge: RoomGauge) -> None:
    send_heartbeat(client, "one", 8, 3)
    send_heartbeat(client, "two", 4, 0)
    client.rpush("steps.a", "1", "2")
    client.rpush("steps.b", "3")
    client.rpush("starts", *"4567")
    assert gauge.read().free == 12 - 3 - 3


def test_room_is_never_negative(client: redis.Redis, gauge: RoomGauge) -> None:
    send_heartbeat(client, "one", 1, 1)
    client.rpush("steps.a", *"12345")
    assert gauge.read().free == 0


def test_worker_that_said_nothing_lately_has_no_slots(client: redis.Redis, gauge: RoomGauge, clock: Clock) -> None:
    send_heartbeat(client, "one", 8, 0)
    clock.seconds += HEARTBEAT_LIFETIME_S - 0.1
    assert gauge.read(fresh=True).free == 8
    clock.seconds += 0.2
    assert gauge.read(fresh=True).free == 0


def test_worker_that_goes_takes_its_slots_along(client: redis.Redis, gauge: RoomGauge) -> None:
    send_heartbeat(client, "one", 8, 0)
    send_heartbeat(client, "two", 8, 0)
    forget_worker(client, "one")
    assert gauge.read().free == 8
    assert set(live_workers(client.hgetall(WORKERS_KEY))) == {"two"}


def test_last_heartbeat_of_a_worker_counts(client: redis.Redis) -> None:
    send_heartbeat(client, "one", 8, 1)
    send_heartbeat(client, "one", 8, 5)
    assert live_workers(client.hgetall(WORKERS_KEY)) == {"one": Heartbeat(8, 5)}


def test_live_workers_are_those_whose_time_has_not_come(clock: Clock) -> None:
    beats = {"old": clock.seconds - 0.1, "live": clock.seconds + 0.1}
    fields = {name: json.dumps({"slots": 1, "running": 0, "until": until}) for name, until in beats.items()}
    assert set(live_workers(fields)) == {"live"}


def test_count_is_trusted_for_a_moment(client: redis.Redis, gauge: RoomGauge, clock: Clock) -> None:
    send_heartbeat(client, "one", 8, 0)
    assert gauge.read().free == 8
    send_heartbeat(client, "two", 8, 0)
    assert gauge.read().free == 8
    assert gauge.read(fresh=True).free == 16
    client.rpush("steps.a", "1")
    clock.seconds += MAX_AGE_S + 0.01
    assert gauge.read().free == 15


def test_queued_steps_are_remembered_until_the_next_count(client: redis.Redis, gauge: RoomGauge) -> None:
    send_heartbeat(client, "one", 8, 0)
    gauge.read()
    gauge.take(5)
    assert gauge.read().free == 3
    gauge.take(5)
    assert gauge.read().free == 0
    assert gauge.read(fresh=True).free == 8


def test_backlog_is_seen_by_others_until_it_is_cleared(client: redis.Redis, gauge: RoomGauge) -> None:
    gauge.mark_backlog()
    assert RoomGauge(client, QUEUES).read().backlog
    assert 0 < client.pttl(BACKLOG_KEY) <= worker_capacity.BACKLOG_LIFETIME_MS
    gauge.clear_backlog()
    assert not gauge.read(fresh=True).backlog


def test_there_is_no_room_while_redis_is_away(own_broker: Broker) -> None:
    client = redis.Redis.from_url(own_broker.url, decode_responses=True, socket_timeout=2)
    gauge = RoomGauge(client, QUEUES)
    send_heartbeat(client, "one", 8, 0)
    assert gauge.read(fresh=True).free == 8
    own_broker.process.kill()
    assert gauge.read(fresh=True) == Room(0)
    gauge.mark_backlog()
    gauge.clear_backlog()
    own_broker.start()
    own_broker.wait_ready()
    send_heartbeat(client, "one", 8, 0)
    assert gauge.read(fresh=True).free == 8
    client.close()
