"""Leases of topics with a limit: counted in Redis for all workers together, they expire with their locks."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from camunda_bridge.engine.locked_task import Topic
from dev.broker import Broker
from settings import Settings
from tasks import runtime
from tasks.runtime import Runtime
from tasks.topics import leases
from tasks.topics.controls import Limit
from tasks.topics.leases import Lease

TOPIC = Topic("order.charge")
LOCK_MS = 700
#: of one step each 50 ms
RATE = Limit.of(None, "20/second")


@pytest.fixture(autouse=True)
def _own_runtime(shared_broker: Broker, client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings = Settings(redis_url=shared_broker.url, lock_duration_ms=LOCK_MS, camunda_timeout_ms=500)
    monkeypatch.setattr(runtime, "_runtime", Runtime(settings))
    return


class Clock:
    """Redis's time, as the scripts of the leases read it."""

    def __init__(self) -> None:
        self.ms = 1_800_000_000_000

    def forward(self, ms: int) -> None:
        """Let time pass."""
        self.ms += ms


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made, run = Clock(), leases._script

    def at_this_time(text: str, *given: Any) -> Any:
        return run(text.replace(leases._NOW, f"local now = {made.ms}\n"), *given)

    monkeypatch.setattr(leases, "_script", at_this_time)
    return made


def acquire(limit: Limit, wanted: int, token: str = "t") -> list[str]:
    return leases.acquire(TOPIC, limit, wanted, token)


def test_no_more_are_granted_than_the_limit_whoever_asks() -> None:
    limit = Limit(max_concurrency=5)
    with ThreadPoolExecutor(8) as pool:
        granted = list(pool.map(lambda number: acquire(limit, 2, f"token-{number}"), range(8)))
    assert sum(len(some) for some in granted) == 5
    assert len({lease for some in granted for lease in some}) == 5
    assert leases.in_flight(TOPIC.name) == 5


def test_released_lease_is_free_for_others() -> None:
    limit = Limit(max_concurrency=2)
    first = acquire(limit, 2, "one")
    assert acquire(limit, 1, "two") == []
    leases.return_unused(TOPIC.name, limit, first[:1])
    assert acquire(limit, 5, "three") == ["three:0"]


def test_release_returns_whether_others_were_held_back() -> None:
    limit = Limit(max_concurrency=1)
    (lease,) = acquire(limit, 1, "one")
    assert not leases.release(TOPIC.name, lease)
    (lease,) = acquire(limit, 1, "two")
    assert acquire(limit, 1, "three") == []
    assert leases.release(TOPIC.name, lease)
    leases.clear_held_back(TOPIC.name)
    (lease,) = acquire(limit, 1, "four")
    assert not leases.release(TOPIC.name, lease)


def test_lease_of_a_killed_worker_expires_with_its_lock(clock: Clock) -> None:
    limit = Limit(max_concurrency=1)
    assert acquire(limit, 1, "killed")
    clock.forward(LOCK_MS - 1)
    assert acquire(limit, 1, "other") == []
    clock.forward(1)
    assert acquire(limit, 1, "other")


def test_lease_lives_as_long_as_its_lock_is_extended(clock: Clock) -> None:
    limit = Limit(max_concurrency=1)
    (lease,) = acquire(limit, 1, "long")
    held = Lease(TOPIC.name, lease)
    for _ in range(5):
        clock.forward(LOCK_MS // 2)
        held.renew()
        assert acquire(limit, 1, "other") == []
    held.release()
    assert acquire(limit, 1, "other")


def test_step_that_ends_while_its_lease_is_renewed_leaves_none_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = Limit(max_concurrency=1)
    (lease,) = acquire(limit, 1, "long")
    held = Lease(TOPIC.name, lease)
    run = leases._script

    def late(*given: Any) -> Any:
        # in the step's own thread, while the lock keeper's thread sends its command to Redis
        held.release()
        return run(*given)

    with monkeypatch.context() as patch:
        patch.setattr(leases, "_script", late)
        held.renew()
    assert leases.in_flight(TOPIC.name) == 0


def test_emptied_redis_counts_a_running_step_again_at_its_next_extension(client: redis.Redis) -> None:
    limit = Limit(max_concurrency=1)
    (lease,) = acquire(limit, 1, "long")
    held = Lease(TOPIC.name, lease)
    client.flushall()
    held.renew()
    assert acquire(limit, 1, "other") == []
    held.release()


def test_rate_lets_a_second_of_it_come_at_once_and_the_rest_evenly(clock: Clock) -> None:
    assert len(acquire(RATE, 100)) == 20
    granted = []
    for _ in range(100):
        clock.forward(10)
        granted.append(len(acquire(RATE, 100)))
    # one each 50 ms, from the first one on
    assert granted == [0, 0, 0, 0, 1] * 20


def test_unused_leases_do_not_count_against_the_rate() -> None:
    slow = Limit.of(None, "1/hour")
    (lease,) = acquire(slow, 3)
    assert acquire(slow, 1) == []
    leases.return_unused(TOPIC.name, slow, [lease])
    assert len(acquire(slow, 3)) == 1


def test_both_limits_hold_at_once() -> None:
    assert len(acquire(Limit(3, RATE.interval_ms), 100)) == 3


def test_no_lease_is_granted_while_redis_is_unavailable(own_broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_runtime", Runtime(Settings(redis_url=own_broker.url)))
    assert acquire(Limit(1), 1)
    own_broker.process.kill()
    assert acquire(Limit(9), 1) == []
    assert not leases.release(TOPIC.name, "t:0")
