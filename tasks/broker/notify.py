"""Which processes are watched, and the wake-up that their watchers get after each commit.

A wake-up has no content: whoever gets one reads the rows again. It costs nothing while nobody watches: web processes
write the correlation ids that they stream into one sorted set in Redis (the score is the time at which an id expires),
and each process that writes events reads that set at most once a second.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

import redis

from tasks.broker.publish import BROKER_ERRORS
from tasks.runtime import KEY_PREFIX, broker_now, runtime

log = logging.getLogger(__name__)

#: the sorted set: correlation ids by the time, in seconds since the epoch, until which they are watched
WATCHED_KEY = f"{KEY_PREFIX}watched"
#: prefix of the channel of a correlation id
CHANNEL_PREFIX = f"{KEY_PREFIX}events:"
#: seconds after which an id expires unless it is written again
WATCH_S = 30
#: seconds for which one reading of the set is used
LOOK_EVERY_S = 1.0
#: seconds until the set is read again after Redis did not answer: no step waits for it
PAUSE_S = 5.0


def watch(client: redis.Redis, correlation_ids: Iterable[str]) -> None:
    """Mark processes as watched, for :data:`WATCH_S` seconds.

    Raises:
        redis.RedisError, OSError: Redis is unavailable.
    """
    now = broker_now()
    with client.pipeline(transaction=False) as pipe:
        pipe.zremrangebyscore(WATCHED_KEY, "-inf", now - WATCH_S)
        pipe.zadd(WATCHED_KEY, dict.fromkeys(correlation_ids, now + WATCH_S))
        pipe.expire(WATCHED_KEY, WATCH_S)
        pipe.execute()


class Notifier:
    """Wakes the watchers of processes, from one process that writes events."""

    def __init__(self, client: Callable[[], redis.Redis], clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._look_at = float("-inf")
        self._watched: frozenset[str] = frozenset()

    def notify(self, correlation_id: str) -> None:
        """Wake the watchers of a process after a commit. Never raises: watchers also read the rows now and then."""
        try:
            if self._clock() >= self._look_at:
                self._look()
            if correlation_id in self._watched:
                self._client().publish(CHANNEL_PREFIX + correlation_id, "")
        except BROKER_ERRORS as error:
            log.debug("watchers of %s not woken: %s", correlation_id, error)
            self._watched = frozenset()
            self._look_at = self._clock() + PAUSE_S

    def _look(self) -> None:
        names: Any = self._client().zrangebyscore(WATCHED_KEY, broker_now(), "+inf")
        self._watched = frozenset(names)
        self._look_at = self._clock() + LOOK_EVERY_S


_notifier = Notifier(lambda: runtime().redis)


def notify_watchers(correlation_id: str) -> None:
    """Wake the watchers of this process after a commit."""
    _notifier.notify(correlation_id)
