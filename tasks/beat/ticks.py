"""Ticks that do not pile up: however many beats run, one tick in each interval does the work."""

from __future__ import annotations

import redis

from tasks.broker.publish import tick_waits
from tasks.runtime import KEY_PREFIX, broker_now, runtime
from telemetry.metrics import declared

#: the interval is shorter by this, in milliseconds: otherwise a tick that is a little early would be skipped
SLACK_MS = 100
#: seconds for which the time of the last tick is kept
REMEMBERED_S = 7 * 86_400


def is_first_tick(name: str, interval_ms: int) -> bool:
    """True for the first tick of `name` within its interval. False while Redis is unavailable."""
    lifetime_ms = max(interval_ms - SLACK_MS, interval_ms // 2)
    try:
        client = runtime().redis
        client.delete(tick_waits(name))
        first = bool(client.set(f"{KEY_PREFIX}tick:{name}", "1", nx=True, px=lifetime_ms))
        if first:
            declared.TICKS.labels(name).inc()
            # /health/ready shows this time.
            client.set(f"{KEY_PREFIX}ticked:{name}", broker_now(), ex=REMEMBERED_S)
    except redis.RedisError:
        return False
    return first
