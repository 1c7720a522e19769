"""Back-pressure: how many steps may be fetched now, from counts that a kill cannot leave wrong.

room = slots of live workers - steps queued - steps running. Workers say every second how many slots they have and how
many run (a field of a hash, void after a few seconds); the queues are counted as they are. Without room nothing is
fetched, so no lock runs out in a queue.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import redis

from tasks.runtime import KEY_PREFIX, broker_now, runtime

WORKERS_KEY = KEY_PREFIX + "workers"
#: set while ready tasks were left in the engine for lack of room
BACKLOG_KEY = KEY_PREFIX + "backlog"
#: what ops say about topics, from the store (see tasks.topics.controls); read along with the counts, so that no step
#: asks for it
TOPICS_KEY = KEY_PREFIX + "topics"

#: seconds after which a worker that said nothing counts as gone
HEARTBEAT_LIFETIME_S = 5.0
#: seconds for which one process trusts its last count
MAX_AGE_S = 0.2
#: lifetime of the backlog mark, in milliseconds; a poll renews it while it is true
BACKLOG_LIFETIME_MS = 5_000


@dataclass(frozen=True, slots=True)
class Room:
    """How many more steps the workers can take, and whether ready ones wait in the engine.

    `topics`: what :data:`TOPICS_KEY` says, None while nothing is published.
    """

    free: int
    backlog: bool = False
    topics: str | None = None


class RoomGauge:
    """Counts room, at most every MAX_AGE_S seconds."""

    def __init__(self, client: redis.Redis, step_queues: Iterable[str]) -> None:
        self._redis = client
        self._queues = tuple(step_queues)
        self._last = Room(0)
        self._counted_at = float("-inf")

    def read(self, *, fresh: bool = False) -> Room:
        """The present room; no room while Redis is away."""
        if fresh or time.monotonic() - self._counted_at > MAX_AGE_S:
            try:
                self._last = self._count()
            except redis.RedisError:
                self._last = Room(0)
            self._counted_at = time.monotonic()
        return self._last

    def take(self, number: int) -> None:
        """Remember that `number` steps were queued since the last count."""
        self._last = replace(self._last, free=max(0, self._last.free - number))

    def note_topics(self, topics: str) -> None:
        """Remember what was just published under :data:`TOPICS_KEY`."""
        self._last = replace(self._last, topics=topics)

    def mark_backlog(self) -> None:
        """Say that ready tasks were left in the engine."""
        try:
            self._redis.set(BACKLOG_KEY, "1", px=BACKLOG_LIFETIME_MS)
        except redis.RedisError:
            return

    def clear_backlog(self) -> None:
        """Say that everything ready was fetched."""
        self._last = replace(self._last, backlog=False)
        try:
            self._redis.delete(BACKLOG_KEY)
        except redis.RedisError:
            return

    def _count(self) -> Room:
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.hgetall(WORKERS_KEY)
        pipeline.mget(BACKLOG_KEY, TOPICS_KEY)
        for queue in self._queues:
            pipeline.llen(queue)
        workers, (backlog, topics), *lengths = pipeline.execute()
        slots = running = 0
        for beat in live_workers(workers).values():
            slots += beat.slots
            running += beat.running
        return Room(max(0, slots - running - sum(lengths)), bool(backlog), topics)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a worker last said: its slots for steps and how many of them run."""

    slots: int
    running: int


def live_workers(fields: Any) -> dict[str, Heartbeat]:
    """The workers of a heartbeat hash (worker -> JSON) that said something lately."""
    now = broker_now()
    beats = {name: json.loads(text) for name, text in fields.items()}
    return {name: Heartbeat(beat["slots"], beat["running"]) for name, beat in beats.items() if beat["until"] > now}


def send_heartbeat(client: redis.Redis, worker: str, slots: int, running: int) -> None:
    """Say that `worker` lives."""
    beat = {"slots": slots, "running": running, "until": broker_now() + HEARTBEAT_LIFETIME_S}
    client.hset(WORKERS_KEY, worker, json.dumps(beat))


def forget_worker(client: redis.Redis, worker: str) -> None:
    """Say that `worker` goes."""
    client.hdel(WORKERS_KEY, worker)


_gauge: RoomGauge | None = None
_gauge_of: object = None


def gauge() -> RoomGauge:
    """The gauge of this process."""
    global _gauge, _gauge_of
    shared = runtime()
    if _gauge is None or _gauge_of is not shared:
        from tasks.processes import registry

        _gauge = RoomGauge(shared.redis, [process.queue for process in registry])
        _gauge_of = shared
    return _gauge
