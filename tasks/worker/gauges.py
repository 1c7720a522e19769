"""The gauges of the whole system, read at each scrape: queues and workers from Redis, processes from the store.

Web processes and beat serve them, with the same values: a query takes the `max`. A worker does not, since its parent
process must not use the database. Every read has the time-outs of its part, and one reading is served for a second.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from threading import Condition
from typing import Any

import redis
from cachetools import TTLCache, cached
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from store.counts import Counts
from store.errors import DatabaseUnavailable
from tasks import app
from tasks.broker.publish import SENT_AT
from tasks.broker.start_priority import STARTS_LISTS, STARTS_QUEUE
from tasks.broker.start_throttle import PAUSED_KEY
from tasks.broker.worker_capacity import BACKLOG_KEY, WORKERS_KEY, live_workers
from tasks.processes import registry
from tasks.runtime import broker_now, runtime
from tasks.topics.controls import topic_states
from telemetry.metrics import declared

log = logging.getLogger(__name__)

#: seconds for which one reading is served
LIFETIME_S = 1.0


class System(Collector):
    """The gauges of the whole system, read by one process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        # Two scrapes at the same time share one reading.
        self._read = cached(TTLCache(1, LIFETIME_S, clock), condition=Condition())(lambda: list(_look()))

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering reads no gauge."""
        return []

    def collect(self) -> Iterable[Metric]:
        """All gauges. Those of an unavailable part are missing, and `part_up` is 0 for it."""
        return self._read()


def _look() -> Iterator[Metric]:
    up: list[tuple[tuple[str, ...], float]] = []
    for part, read in (("broker", _of_broker), ("database", _of_store)):
        try:
            yield from read()
        except (redis.RedisError, DatabaseUnavailable, OSError) as error:
            log.info("gauges of the %s not read: %s", part, error)
            up.append(((part,), 0))
        except Exception:
            # A refused login, for example: the other metrics are served all the same.
            log.exception("gauges of the %s cannot be read", part)
            up.append(((part,), 0))
        else:
            up.append(((part,), 1))
    yield declared.PART_UP.family(up)


def _of_broker() -> list[Metric]:
    queues = [queue.name for queue in app.conf.task_queues]
    pipeline = runtime().redis.pipeline(transaction=False)
    pipeline.hgetall(WORKERS_KEY)
    pipeline.exists(BACKLOG_KEY)
    pipeline.exists(PAUSED_KEY)
    lists = [(queue, name) for queue in queues for name in (STARTS_LISTS if queue == STARTS_QUEUE else (queue,))]
    for _, name in lists:
        pipeline.llen(name)
        # Workers pop from the right.
        pipeline.lindex(name, -1)
    fields, backlog, closed, *rest = pipeline.execute()
    lengths = dict.fromkeys(queues, 0)
    ages: dict[str, float | None] = dict.fromkeys(queues, 0.0)
    for (queue, _), length, oldest in zip(lists, rest[::2], rest[1::2], strict=True):
        lengths[queue] += length
        age, known = _age_s(oldest), ages[queue]
        ages[queue] = None if age is None or known is None else max(age, known)
    workers = live_workers(fields)
    queued = sum(lengths[queue] for queue in registry.queues)
    free = sum(beat.slots - beat.running for beat in workers.values()) - queued
    return [
        declared.QUEUE_MESSAGES.family(((queue,), length) for queue, length in lengths.items()),
        declared.QUEUE_AGE.family(((queue,), age) for queue, age in ages.items() if age is not None),
        declared.WORKER_SLOTS.family(((name,), beat.slots) for name, beat in workers.items()),
        declared.WORKER_RUNNING.family(((name,), beat.running) for name, beat in workers.items()),
        declared.WORKER_STUCK.family(((name,), beat.stuck) for name, beat in workers.items()),
        declared.SLOTS_FREE.family([((), max(0, free))]),
        declared.BACKLOG.family([((), int(bool(backlog)))]),
        declared.STARTS_PAUSED.family([((), int(bool(closed)))]),
    ]


def _age_s(message: str | None) -> float | None:
    """Seconds since a message was sent; None if it has no such header, as in an older version."""
    if message is None:
        return 0.0
    try:
        headers: dict[str, Any] = json.loads(message)["headers"]
        return max(0.0, broker_now() - float(headers[SENT_AT]))
    except (ValueError, KeyError, TypeError):
        return None


def _of_store() -> list[Metric]:
    counts = Counts(runtime().database)
    keys = [process.key for process in registry]
    incidents = dict.fromkeys(keys, 0) | counts.on_incident()
    return [
        declared.PROCESSES_PENDING.family(((key,), number) for key, number in counts.pending(keys).items()),
        declared.INCIDENTS_OPEN.family(((key,), number) for key, number in incidents.items()),
        declared.WEBHOOKS_PENDING.family([((), counts.webhooks_pending())]),
        declared.MAINTENANCE.family([((), int(runtime().maintenance.current() is not None))]),
        declared.TOPICS_PAUSED.family(((state.topic,), int(state.is_paused)) for state in topic_states()),
    ]
