"""Which processes somebody watches, and the wake-up that watchers get after each commit.

The rows are the truth; what is published here has no content and only says "look again". Nobody pays for it while
nobody watches: web processes name the processes that they stream in one sorted set in Redis (the score is the time at
which a name lapses), and each process that writes events looks there at most once a second.
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
#: what stands before a correlation id in the name of its channel
CHANNEL_PREFIX = f"{KEY_PREFIX}events:"
#: seconds for which a process counts as watched after it was last named
WATCH_S = 30
#: seconds for which one look at the set is trusted
LOOK_EVERY_S = 1.0
#: seconds without a look after Redis did not answer one: steps have better things to wait for
PAUSE_S = 5.0


def watch(client: redis.Redis, correlation_ids: Iterable[str]) -> None:
    """Name processes as watched, for :data:`WATCH_S` seconds.

    Raises:
        redis.RedisError, OSError: Redis is away.
    """
    now = broker_now()
    with client.pipeline(transaction=False) as pipe:
        pipe.zremrangebyscore(WATCHED_KEY, "-inf", now - WATCH_S)
        pipe.zadd(WATCHED_KEY, dict.fromkeys(correlation_ids, now + WATCH_S))
        pipe.expire(WATCHED_KEY, WATCH_S)
        pipe.execute()


class Announcer:
    """Wakes the watchers of processes, from one process that writes events."""

    def __init__(self, client: Callable[[], redis.Redis], clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._look_at = float("-inf")
        self._watched: frozenset[str] = frozenset()

    def announce(self, correlation_id: str) -> None:
        """Something of this process was committed. Never raises: watchers look by themselves now and then."""
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


_announcer = Announcer(lambda: runtime().redis)


def announce(correlation_id: str) -> None:
    """Wake whoever watches this process, after a commit."""
    _announcer.announce(correlation_id)
