"""Spare a receiver that has become slow, and the workers: while it is slow, one attempt at a time goes to it.

Without this, a receiver that answers nothing would hold as many slots as there are webhooks for it, each for the whole
time-out. With Redis away nothing is known of receivers, and everybody is called.
"""

from __future__ import annotations

import redis

from tasks.runtime import KEY_PREFIX
from tasks.webhooks.urls import Target

#: an attempt that takes longer makes its receiver a slow one, in seconds
SLOW_S = 2.0
#: how long it is one, in seconds; a quick answer ends it at once
SLOW_FOR_S = 30.0


class Receivers:
    """What is known of receivers, shared through Redis by all workers."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def may_call(self, target: Target, *, for_s: float) -> bool:
        """True unless the receiver is slow and another attempt, which ends within `for_s` seconds, is with it."""
        try:
            if not self._redis.exists(_key("slow", target)):
                return True
            return bool(self._redis.set(_key("trial", target), "1", nx=True, px=int(for_s * 1000)))
        except redis.RedisError:
            return True

    def note(self, target: Target, *, took_s: float) -> None:
        """Remember how long an attempt took, in seconds."""
        try:
            if took_s >= SLOW_S:
                self._redis.set(_key("slow", target), "1", px=int(SLOW_FOR_S * 1000))
                self._redis.delete(_key("trial", target))
            else:
                self._redis.delete(_key("slow", target), _key("trial", target))
        except redis.RedisError:
            return


def _key(kind: str, target: Target) -> str:
    return f"{KEY_PREFIX}webhook-{kind}:{target.scheme}:{target.host_header}"
