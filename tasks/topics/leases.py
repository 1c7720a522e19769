"""Limits of topics that hold on all workers together: each locked task holds a lease, counted in Redis.

A lease is a member of a sorted set; its score is the time at which it expires, the same as the task's lock. Whoever
extends the lock renews the lease, whoever ends the step releases it, and the lease of a killed process expires with its
lock. A rate is one more number: the time at which the next step would be due if all came evenly (the generic cell rate
algorithm of ATM Forum TM 4.0). All times are Redis's, so the clocks of the hosts do not matter. A topic without a limit
has no leases.
"""

from __future__ import annotations

import logging
from typing import Any

from camunda_bridge.engine.locked_task import Topic
from tasks.broker.publish import BROKER_ERRORS
from tasks.runtime import KEY_PREFIX, runtime
from tasks.topics.controls import Limit

log = logging.getLogger(__name__)

#: how much of a rate may come at once, in milliseconds of it: polls come each second
BURST_MS = 1_000
#: lifetime of the mark that says that a limit held tasks back, in milliseconds; polls renew it
HELD_BACK_MS = 5_000

_NOW = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
"""
_ACQUIRE = (
    _NOW
    + """
local most, interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local lock, wanted, prefix = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local granted = wanted
if most > 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
  granted = math.min(granted, most - redis.call('ZCARD', KEYS[1]))
end
if granted > 0 and interval > 0 then
  local due = math.max(now, tonumber(redis.call('GET', KEYS[2])) or now)
  granted = math.min(granted, math.floor((now + math.max(0, burst - interval) - due) / interval) + 1)
  if granted > 0 then
    due = due + granted * interval
    redis.call('SET', KEYS[2], string.format('%.3f', due), 'PX', math.ceil(due - now) + 1000)
  end
end
if granted < wanted then
  redis.call('SET', KEYS[3], '1', 'PX', ARGV[7])
end
if granted <= 0 then
  return 0
end
if most > 0 then
  for i = 0, granted - 1 do
    redis.call('ZADD', KEYS[1], now + lock, prefix .. ':' .. i)
  end
  redis.call('PEXPIRE', KEYS[1], 2 * lock)
end
return granted
"""
)
_RETURN_UNUSED = """
local due = tonumber(redis.call('GET', KEYS[2]))
if due and tonumber(ARGV[1]) > 0 then
  redis.call('SET', KEYS[2], string.format('%.3f', due - ARGV[1] * (#ARGV - 1)), 'KEEPTTL')
end
for i = 2, #ARGV do
  redis.call('ZREM', KEYS[1], ARGV[i])
end
"""
_RENEW = (
    _NOW
    + """
redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], 2 * ARGV[1])
"""
)


class Lease:
    """The lease of a step that this process runs. The lock keeper's thread renews it, the step's own releases it."""

    def __init__(self, topic: str, name: str) -> None:
        self._topic = topic
        self._name = name
        self._is_released = False

    def renew(self) -> None:
        """Let the lease last as long as the lock that was just extended. An emptied Redis counts it again from here."""
        try:
            _script(_RENEW, _keys(self._topic)[:1], [runtime().settings.lock_duration_ms, self._name])
            if self._is_released:
                # The step ended while this thread renewed its lease: nobody else would release it again.
                runtime().redis.zrem(_keys(self._topic)[0], self._name)
        except BROKER_ERRORS as error:
            log.debug("lease of %s not renewed: %s", self._topic, error)

    def release(self) -> bool:
        """End the lease with its step. True when the limit of the topic has held other tasks back."""
        self._is_released = True
        return release(self._topic, self._name)


def acquire(topic: Topic, limit: Limit, wanted: int, token: str) -> list[str]:
    """At most `wanted` leases, by name, for tasks to be locked under `token`; none while Redis is unavailable."""
    lock_ms = runtime().settings.lock_duration_ms
    given = [limit.max_concurrency, limit.interval_ms, BURST_MS, lock_ms, wanted, token, HELD_BACK_MS]
    try:
        granted = int(_script(_ACQUIRE, _keys(topic.name), given))
    except BROKER_ERRORS as error:
        log.info("%s not fetched, its limit cannot be counted: %s", topic.name, error)
        return []
    return [f"{token}:{number}" for number in range(granted)]


def return_unused(topic: str, limit: Limit, leases: list[str]) -> None:
    """Undo :func:`acquire` for leases whose tasks were not there: the rate counts them no more."""
    if not leases:
        return
    try:
        _script(_RETURN_UNUSED, _keys(topic), [limit.interval_ms, *leases])
    except BROKER_ERRORS as error:
        log.debug("unused leases of %s expire: %s", topic, error)


def release(topic: str, lease: str) -> bool:
    """End the lease of a step. True when the limit of the topic has held other tasks back."""
    slots, _, held_back = _keys(topic)
    try:
        with runtime().redis.pipeline(transaction=False) as pipe:
            pipe.zrem(slots, lease)
            pipe.exists(held_back)
            return bool(pipe.execute()[1])
    except BROKER_ERRORS as error:
        log.debug("lease of %s not released, it expires: %s", topic, error)
        return False


def clear_held_back(topic: str) -> None:
    """Publish that no task of the topic waits in the engine any more."""
    try:
        runtime().redis.delete(_keys(topic)[2])
    except BROKER_ERRORS as error:
        log.debug("mark of held-back tasks of %s expires: %s", topic, error)


def in_flight(topic: str) -> int:
    """How many tasks of a topic with `max_concurrency` are locked or run.

    Raises:
        redis.RedisError, OSError: Redis is unavailable.
    """
    client = runtime().redis
    seconds, micros = client.time()  # type: ignore[misc]
    return int(client.zcount(_keys(topic)[0], f"({seconds * 1000 + micros // 1000}", "+inf"))  # type: ignore[arg-type]


def _keys(topic: str) -> tuple[str, str, str]:
    return tuple(f"{KEY_PREFIX}topic:{name}:{topic}" for name in ("locked", "due", "held"))  # type: ignore[return-value]


def _script(text: str, keys: tuple[str, ...], arguments: list[Any]) -> Any:
    return runtime().redis.register_script(text)(keys=keys, args=arguments)
