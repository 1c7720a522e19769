"""Beat's ticks: in their queues, one at a time of each name, counted; an unavailable broker does not stop beat."""

from __future__ import annotations

import base64
import json
import logging
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from kombu.utils.imports import symbol_by_name

from tasks import app
from tasks.beat.scheduler import TickScheduler
from tasks.broker import publish
from tasks.broker.publish import tick_waits
from telemetry.metrics import declared


class Clock:
    """The time by which Celery's schedules go, in this process."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 27, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self.moment += timedelta(seconds=seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(app, "now", made)
    return made


@pytest.fixture
def scheduler(client: redis.Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> TickScheduler:
    monkeypatch.setattr(publish, "runtime", lambda: SimpleNamespace(redis=client))
    made = TickScheduler(app, lazy=True)
    made.update_from_dict({"poll": {"task": "poll", "schedule": 0.3}})
    # Celery's own connection, which is not used for ticks
    monkeypatch.setattr(TickScheduler, "producer", None)
    return made


def sent(client: redis.Redis) -> list[dict[str, Any]]:
    return [json.loads(text) for text in client.lrange("polls", 0, -1)]


def test_a_due_tick_is_put_into_its_queue(scheduler: TickScheduler, client: redis.Redis, clock: Clock) -> None:
    before, counted = time.time(), declared.TICKS_SENT.labels("poll")._value.get()
    clock.forward(0.35)
    assert scheduler.tick() == 0

    (message,) = sent(client)
    headers = message["headers"]
    assert headers["task"] == "poll"
    assert json.loads(base64.b64decode(message["body"]))[:2] == [[], {}]
    # A tick does not expire, so no worker compares its clock with beat's.
    assert headers["expires"] is None
    assert before < headers["sent_at"] <= time.time()
    assert declared.TICKS_SENT.labels("poll")._value.get() == counted + 1


def test_it_rests_between_two_ticks(scheduler: TickScheduler, client: redis.Redis, clock: Clock) -> None:
    pauses = []
    while len(sent(client)) < 3:
        pauses.append(scheduler.tick())
        clock.forward(pauses[-1])
        client.delete(tick_waits("poll"))

    # one turn that waits, for the whole interval, and one that sends
    assert pauses == pytest.approx([0.3, 0, 0.3, 0, 0.3, 0])


def test_ticks_without_a_worker_do_not_pile_up(scheduler: TickScheduler, client: redis.Redis) -> None:
    assert publish.send_tick("poll")
    assert not publish.send_tick("poll")
    assert len(sent(client)) == 1
    # as if a worker had begun it
    client.delete(tick_waits("poll"))
    assert publish.send_tick("poll")


def test_a_broker_that_is_away_is_said_and_the_next_tick_comes(
    scheduler: TickScheduler,
    monkeypatch: pytest.MonkeyPatch,
    client: redis.Redis,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    here = publish.runtime
    away = redis.Redis(port=1, socket_connect_timeout=0.2)
    monkeypatch.setattr(publish, "runtime", lambda: SimpleNamespace(redis=away))
    clock.forward(0.35)
    with caplog.at_level(logging.WARNING, "tasks.beat.scheduler"):
        assert scheduler.tick() == 0
    (line,) = caplog.messages
    assert line.startswith("tick skipped: tick poll was not accepted by the broker")
    assert sent(client) == []

    monkeypatch.setattr(publish, "runtime", here)
    clock.forward(0.35)
    assert scheduler.tick() == 0
    assert len(sent(client)) == 1


def test_celery_finds_the_scheduler_that_is_set() -> None:
    assert symbol_by_name(app.conf.beat_scheduler) is TickScheduler
