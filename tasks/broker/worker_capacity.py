"""How many steps may be fetched now: back-pressure from counts that a killed worker cannot leave wrong.

free = slots of live workers - queued steps - running steps. Every second each worker writes how many slots it has and
how many steps it runs: one field of a hash, which expires after a few seconds. The queues are counted as they are.
While no slot is free no task is fetched, so no lock expires in a queue.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import redis

from tasks.processes import registry
from tasks.runtime import KEY_PREFIX, broker_now, runtime

WORKERS_KEY = KEY_PREFIX + "workers"
#: set while ready tasks were left in the engine because no slot was free
BACKLOG_KEY = KEY_PREFIX + "backlog"
#: pauses and limits of topics, from the store (see tasks.topics.controls). They are read in the same round trip as the
#: counts, so no step costs one more.
TOPICS_KEY = KEY_PREFIX + "topics"

#: seconds after which a worker without a heartbeat counts as dead
HEARTBEAT_LIFETIME_S = 5.0
#: seconds for which one process trusts its last count
MAX_AGE_S = 0.2
#: lifetime of the backlog mark, in milliseconds; each poll renews it while it is true
BACKLOG_LIFETIME_MS = 5_000


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many more steps the workers can take, and whether ready tasks wait in the engine.

    `topics`: the value of :data:`TOPICS_KEY`; None while nothing is published.
    """

    free: int
    backlog: bool = False
    topics: str | None = None


class WorkerCapacity:
    """Counts the free slots of all workers, at most every MAX_AGE_S seconds."""

    def __init__(self, client: redis.Redis, step_queues: Iterable[str]) -> None:
        self._redis = client
        self._queues = tuple(step_queues)
        self._last = Capacity(0)
        self._counted_at = float("-inf")
        # The threads of a worker share one count.
        self._guard = threading.Lock()

    def read(self, *, fresh: bool = False) -> Capacity:
        """The present capacity. While Redis is unavailable no slot is free."""
        with self._guard:
            if fresh or time.monotonic() - self._counted_at > MAX_AGE_S:
                try:
                    self._last = self._count()
                except redis.RedisError:
                    self._last = Capacity(0)
                self._counted_at = time.monotonic()
            return self._last

    def reserve(self, number: int) -> None:
        """Subtract `number` steps that were queued since the last count."""
        with self._guard:
            self._last = replace(self._last, free=max(0, self._last.free - number))

    def note_topics(self, topics: str) -> None:
        """Keep what was just published under :data:`TOPICS_KEY`."""
        with self._guard:
            self._last = replace(self._last, topics=topics)

    def mark_backlog(self) -> None:
        """Publish that ready tasks were left in the engine."""
        try:
            self._redis.set(BACKLOG_KEY, "1", px=BACKLOG_LIFETIME_MS)
        except redis.RedisError:
            return

    def clear_backlog(self) -> None:
        """Publish that every ready task was fetched."""
        with self._guard:
            self._last = replace(self._last, backlog=False)
        try:
            self._redis.delete(BACKLOG_KEY)
        except redis.RedisError:
            return

    def _count(self) -> Capacity:
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.hgetall(WORKERS_KEY)
        pipeline.mget(BACKLOG_KEY, TOPICS_KEY)
        for queue in self._queues:
            pipeline.llen(queue)
        workers, (backlog, topics), *lengths = pipeline.execute()
        slots = running = 0
        for heartbeat in live_workers(workers).values():
            slots += heartbeat.slots
            running += heartbeat.running
        return Capacity(max(0, slots - running - sum(lengths)), bool(backlog), topics)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The last heartbeat of a worker: its slots for steps, how many steps it runs, and how many of its threads hang."""

    slots: int
    running: int
    stuck: int = 0


def live_workers(fields: Any) -> dict[str, Heartbeat]:
    """The workers of a heartbeat hash (worker -> JSON) whose heartbeat has not expired."""
    now = broker_now()
    beats = {name: json.loads(text) for name, text in fields.items()}
    return {
        name: Heartbeat(beat["slots"], beat["running"], beat.get("stuck", 0))
        for name, beat in beats.items()
        if beat["until"] > now
    }


def send_heartbeat(client: redis.Redis, worker: str, slots: int, running: int, *, stuck: int = 0) -> None:
    """Write the heartbeat of `worker`.

    Raises:
        redis.RedisError: Redis is unavailable.
    """
    beat = {"slots": slots, "running": running, "stuck": stuck, "until": broker_now() + HEARTBEAT_LIFETIME_S}
    client.hset(WORKERS_KEY, worker, json.dumps(beat))


def forget_worker(client: redis.Redis, worker: str) -> None:
    """Delete the heartbeat of a `worker` that stops.

    Raises:
        redis.RedisError: Redis is unavailable.
    """
    client.hdel(WORKERS_KEY, worker)


_capacity: WorkerCapacity | None = None
_capacity_of: object = None
_runs_steps = False


def worker_capacity() -> WorkerCapacity:
    """The counts as this process sees them."""
    global _capacity, _capacity_of
    shared = runtime()
    if _capacity is None or _capacity_of is not shared:
        _capacity = WorkerCapacity(shared.redis, registry.queues)
        _capacity_of = shared
    return _capacity


def note_consumed_queues(queues: Iterable[str]) -> None:
    """Keep whether the queues that this worker consumes contain a steps queue."""
    global _runs_steps
    _runs_steps = not set(registry.queues).isdisjoint(queues)


def runs_steps() -> bool:
    """True in a worker (parent or child process) that consumes a steps queue."""
    return _runs_steps


def own_slots() -> int:
    """Slots for steps that the running task leaves free when it ends: 1 on a worker that runs steps, else 0."""
    return int(_runs_steps)
