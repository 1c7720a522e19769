"""Protect slow receivers, and the workers: while a receiver is slow, it gets one attempt at a time.

Without this, a receiver that does not answer would hold as many slots as it has webhooks, each for the whole time-out.
While Redis is unavailable no receiver counts as slow.
"""

from __future__ import annotations

import redis

from tasks.runtime import KEY_PREFIX
from tasks.webhooks.urls import Target

#: seconds after which an attempt counts as slow, and its receiver with it
SLOW_S = 2.0
#: seconds for which a receiver counts as slow; a fast answer ends that at once
SLOW_FOR_S = 30.0


class Receivers:
    """Slow receivers, as all workers share them through Redis."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def may_call(self, target: Target, *, for_s: float) -> bool:
        """True unless the receiver is slow and another attempt to it is under way. Reserves it for `for_s` seconds."""
        try:
            if not self._redis.exists(_key("slow", target)):
                return True
            return bool(self._redis.set(_key("trial", target), "1", nx=True, px=int(for_s * 1000)))
        except redis.RedisError:
            return True

    def note(self, target: Target, *, took_s: float) -> None:
        """Keep how long an attempt took, in seconds."""
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
