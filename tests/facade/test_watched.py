"""Streams of a watched process are woken after a commit, and there is no cost while no process is watched."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import redis

from tasks.broker.notify import CHANNEL_PREFIX, LOOK_EVERY_S, PAUSE_S, WATCH_S, WATCHED_KEY, Notifier, watch


class Clock:
    """A clock that the test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def heard(client: redis.Redis) -> Iterator[redis.client.PubSub]:
    """A subscription that receives all wake-ups."""
    pubsub = client.pubsub(ignore_subscribe_messages=True)
    pubsub.psubscribe(f"{CHANNEL_PREFIX}*")
    assert pubsub.get_message(timeout=5) is None
    yield pubsub
    pubsub.close()


def woken(heard: redis.client.PubSub) -> list[str]:
    found = []
    while message := heard.get_message(timeout=0.2):
        found.append(message["channel"].removeprefix(CHANNEL_PREFIX))
    return found


def commands(client: redis.Redis) -> int:
    return int(client.info("stats")["total_commands_processed"])


def test_only_watched_processes_are_announced(client: redis.Redis, heard: redis.client.PubSub, clock: Clock) -> None:
    watch(client, ["order-1"])
    announcer = Notifier(lambda: client, clock)

    announcer.notify("order-2")
    announcer.notify("order-1")

    assert woken(heard) == ["order-1"]


def test_a_look_is_trusted_for_a_while(client: redis.Redis, heard: redis.client.PubSub, clock: Clock) -> None:
    announcer = Notifier(lambda: client, clock)
    announcer.notify("order-1")
    watch(client, ["order-1"])

    announcer.notify("order-1")
    assert woken(heard) == []
    clock.now += LOOK_EVERY_S
    announcer.notify("order-1")
    assert woken(heard) == ["order-1"]


def test_a_thousand_commits_that_nobody_watches_cost_one_command(client: redis.Redis, clock: Clock) -> None:
    announcer = Notifier(lambda: client, clock)
    before = commands(client)

    for number in range(1_000):
        announcer.notify(f"order-{number}")

    # one read; the other command is the count itself
    assert commands(client) - before == 2


def test_process_that_is_not_named_again_expires(
    client: redis.Redis, clock: Clock, heard: redis.client.PubSub, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(client, ["order-1"])
    assert 0 < client.ttl(WATCHED_KEY) <= WATCH_S
    later = time.time() + WATCH_S + 1
    monkeypatch.setattr(time, "time", lambda: later)

    Notifier(lambda: client, clock).notify("order-1")

    assert woken(heard) == []


def test_unavailable_redis_stops_no_step_and_is_not_asked_again_for_a_while(clock: Clock) -> None:
    asked = []

    def away() -> redis.Redis:
        asked.append(clock.now)
        raise redis.ConnectionError("away")

    announcer = Notifier(away, clock)
    announcer.notify("order-1")
    announcer.notify("order-1")
    clock.now += PAUSE_S
    announcer.notify("order-1")

    assert asked == [100.0, 100.0 + PAUSE_S]
