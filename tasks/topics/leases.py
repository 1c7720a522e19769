"""Limits of topics that hold on all workers together: each locked task has a permit, counted in Redis.

A permit is a member of a sorted set, its score the time at which it lapses: that of the task's lock. Whoever extends
the lock extends the permit, whoever ends the step gives it back, and what a kill leaves behind lapses with its lock. A
rate is one number more: the time at which the next step would be due if all came evenly (the generic cell rate
algorithm of ATM Forum TM 4.0). Time is that of Redis, so that no two hosts' clocks matter. Topics without a limit never
come here.
"""

from __future__ import annotations

import logging
from typing import Any

from camunda_bridge.client import Topic
from tasks.broker.publish import BROKER_AWAY
from tasks.runtime import KEY_PREFIX, runtime
from tasks.topics.controls import Limit

log = logging.getLogger(__name__)

#: how much of a rate may come at once, in milliseconds of it: polls come each second
BURST_MS = 1_000
#: lifetime of the mark that says that a limit held something back, in milliseconds; polls renew it
HELD_BACK_MS = 5_000

_NOW = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
"""
_TAKE = (
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
_GIVE_BACK = """
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

#: permits of the steps that this process runs, by task and lock token: topic and permit
_running: dict[tuple[str, str], tuple[str, str]] = {}


def take(topic: Topic, limit: Limit, wanted: int, token: str) -> list[str]:
    """At most `wanted` permits for tasks that are about to be locked under `token`; none while Redis is away."""
    lock_ms = runtime().settings.lock_duration_ms
    given = [limit.max_concurrency, limit.interval_ms, BURST_MS, lock_ms, wanted, token, HELD_BACK_MS]
    try:
        granted = int(_script(_TAKE, _keys(topic.name), given))
    except BROKER_AWAY as error:
        log.info("%s not fetched, its limit cannot be counted: %s", topic.name, error)
        return []
    return [f"{token}:{number}" for number in range(granted)]


def give_back(topic: str, limit: Limit, permits: list[str]) -> None:
    """Give back what was taken for tasks that were not there."""
    if not permits:
        return
    try:
        _script(_GIVE_BACK, _keys(topic), [limit.interval_ms, *permits])
    except BROKER_AWAY as error:
        log.debug("permits of %s lapse: %s", topic, error)


def begin(task_id: str, token: str, topic: str, permit: str) -> None:
    """This process runs a step with a permit: it is renewed with the lock."""
    _running[task_id, token] = (topic, permit)


def renew(task_id: str, token: str) -> None:
    """The lock of a task was extended: so is its permit, if it has one. An emptied Redis counts it again from here."""
    held = _running.get((task_id, token))
    if held is None:
        return
    topic, permit = held
    try:
        _script(_RENEW, _keys(topic)[:1], [runtime().settings.lock_duration_ms, permit])
        if (task_id, token) not in _running:
            # The step ended while another thread said this: nobody else would free it again.
            runtime().redis.zrem(_keys(topic)[0], permit)
    except BROKER_AWAY as error:
        log.debug("permit of %s not renewed: %s", topic, error)


def end(task_id: str, token: str, topic: str, permit: str) -> bool:
    """A step has ended, however: its permit is free. True when the topic's limit has held others back."""
    _running.pop((task_id, token), None)
    slots, _, held_back = _keys(topic)
    try:
        with runtime().redis.pipeline(transaction=False) as pipe:
            pipe.zrem(slots, permit)
            pipe.exists(held_back)
            return bool(pipe.execute()[1])
    except BROKER_AWAY as error:
        log.debug("permit of %s lapses: %s", topic, error)
        return False


def nothing_held_back(topic: str) -> None:
    """No task of the topic waits in the engine any more."""
    try:
        runtime().redis.delete(_keys(topic)[2])
    except BROKER_AWAY as error:
        log.debug("mark of %s lapses: %s", topic, error)


def in_flight(topic: str) -> int:
    """How many tasks of a topic with `max_concurrency` are locked or run.

    Raises:
        redis.RedisError, OSError: Redis is away.
    """
    client = runtime().redis
    seconds, micros = client.time()  # type: ignore[misc]
    return int(client.zcount(_keys(topic)[0], f"({seconds * 1000 + micros // 1000}", "+inf"))  # type: ignore[arg-type]


def _keys(topic: str) -> tuple[str, str, str]:
    return tuple(f"{KEY_PREFIX}topic:{name}:{topic}" for name in ("locked", "due", "held"))  # type: ignore[return-value]


def _script(text: str, keys: tuple[str, ...], arguments: list[Any]) -> Any:
    return runtime().redis.register_script(text)(keys=keys, args=arguments)
