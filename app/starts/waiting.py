"""Waits for the results of processes: one subscriber thread for each web process, one event for each request.

Celery's `AsyncResult.get` does not work in a threaded web server: either all threads share a subscription that only one
may read, or each thread holds two Redis connections. The result backend publishes every result on the channel
``celery-task-meta-<task id>``. One connection subscribes to all these channels and wakes the request that waits.

The subscription can miss a result: Redis was unavailable or emptied, or it dropped the subscriber. So a sweep reads the
rows of older waits once a second.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import redis

from tasks.broker.results import KEY_PREFIX
from telemetry.metrics import declared

log = logging.getLogger(__name__)

#: the channel that publishes the end of a process is this prefix and the process's id
CHANNEL_PREFIX = KEY_PREFIX
#: seconds between two sweeps, and the age in seconds from which a wait is swept
SWEEP_EVERY_S = 1.0
SWEEP_AFTER_S = 2.0
#: seconds before the end of the grace period at which all waits end, so that their answers can still be sent
CLOSING_MARGIN_S = 3.0

Payload = dict[str, Any]


class Wait:
    """One request's wait for one process."""

    __slots__ = ("_event", "begun", "payload", "process_id")

    def __init__(self, process_id: uuid.UUID) -> None:
        self.process_id = process_id
        self.begun = time.monotonic()
        self.payload: Payload | None = None
        self._event = threading.Event()

    def result(self, timeout_s: float) -> Payload | None:
        """Wait for the end of the process; None if it does not come within `timeout_s` seconds."""
        self._event.wait(timeout_s)
        return self.payload

    def resolve(self, payload: Payload | None) -> None:
        """End the wait, with the payload of the ended process or without one."""
        if payload is not None:
            self.payload = payload
        self._event.set()


class Waiters:
    """The waits of one web process.

    Args:
        connect: returns a new Redis client for the subscriber.
        ended: reads the rows of the given processes, and returns the payloads of those that have ended.
        limit: how many requests may wait at once; see :meth:`waiting`.
        also: further callbacks by the prefix of their channels; each gets the rest of the channel's name.
    """

    def __init__(
        self,
        connect: Callable[[], redis.Redis],
        ended: Callable[[list[uuid.UUID]], dict[uuid.UUID, Payload]],
        *,
        limit: int,
        also: Mapping[str, Callable[[str], None]] | None = None,
    ) -> None:
        self._connect = connect
        self._ended = ended
        self._limit = limit
        self._also = dict(also or {})
        self._waits: dict[str, list[Wait]] = {}
        self._count = 0
        self._guard = threading.Lock()
        self._running = False
        self._closing_at = float("inf")

    @property
    def count(self) -> int:
        """How many requests wait now."""
        return self._count

    def count_of(self, process_id: uuid.UUID) -> int:
        """How many requests wait for this process."""
        return len(self._waits.get(str(process_id), ()))

    @contextmanager
    def waiting(self, process_id: uuid.UUID) -> Iterator[Wait | None]:
        """Register a wait for the time of the block; gives None if `limit` requests wait already.

        Enter the block before the start is enqueued: otherwise the result may be published before the wait exists.
        """
        with self._guard:
            full = self._count >= self._limit or time.monotonic() >= self._closing_at
            if not full:
                wait = Wait(process_id)
                self._waits.setdefault(str(process_id), []).append(wait)
                self._count += 1
                self._start()
        if full:
            yield None
            return
        declared.WAITING.inc()
        try:
            yield wait
        finally:
            declared.WAITING.dec()
            with self._guard:
                self._count -= 1
                others = self._waits.get(str(process_id), [])
                if wait in others:
                    others.remove(wait)
                if not others:
                    self._waits.pop(str(process_id), None)

    def listen(self) -> None:
        """Start the subscription, also when no request waits."""
        with self._guard:
            self._start()

    def close_within(self, grace_s: float) -> None:
        """End all waits shortly before the grace period of `grace_s` seconds ends; their requests get a 202."""
        self._closing_at = time.monotonic() + max(0.0, grace_s - CLOSING_MARGIN_S)

    def _start(self) -> None:
        # Start the threads at the first wait: a thread that is started earlier does not survive the server's fork.
        if not self._running:
            self._running = True
            threading.Thread(target=self._listen, name="result-subscriber", daemon=True).start()
            threading.Thread(target=self._sweep, name="result-sweep", daemon=True).start()

    def _listen(self) -> None:
        unavailable = False
        pause = 0.1
        while True:
            try:
                with self._connect() as client, client.pubsub(ignore_subscribe_messages=True) as pubsub:
                    pubsub.psubscribe(*{f"{prefix}*" for prefix in (CHANNEL_PREFIX, *self._also)})
                    if unavailable:
                        log.warning("result subscription restored")
                    unavailable, pause = False, 0.1
                    while True:
                        # The timeout lets redis-py check the connection. The sweep finds the results that a dead
                        # connection misses until then.
                        message = pubsub.get_message(timeout=5.0)
                        if message is not None and message["type"] == "pmessage":
                            self._receive(message["channel"].decode(), message["data"])
            except (redis.RedisError, OSError) as error:
                if not unavailable:
                    log.warning("result subscription lost, sweeping the rows until it is restored: %s", error)
                unavailable = True
                time.sleep(pause)
                pause = min(pause * 2, 2.0)
            except Exception:
                log.exception("unexpected exception in the result subscriber, subscribing again")
                time.sleep(1.0)

    def _receive(self, channel: str, data: bytes) -> None:
        for prefix, callback in self._also.items():
            if channel.startswith(prefix):
                callback(channel.removeprefix(prefix))
        if channel.startswith(CHANNEL_PREFIX):
            self._deliver(channel.removeprefix(CHANNEL_PREFIX), data)

    def _deliver(self, process_id: str, data: bytes) -> None:
        waits = self._waits.get(process_id)
        if not waits:
            return
        message = json.loads(data)
        if message.get("status") != "SUCCESS" or not isinstance(message.get("result"), dict):
            return
        payload: Payload = message["result"]
        if "row" in payload:
            # The result is too large for a Redis key, so read it from the row.
            row_id = uuid.UUID(payload["row"])
            threading.Thread(target=self._resolve_ended, args=([row_id],), daemon=True).start()
            return
        self._resolve(waits, payload)

    def _sweep(self) -> None:
        while True:
            time.sleep(SWEEP_EVERY_S)
            now = time.monotonic()
            with self._guard:
                waits = [wait for group in self._waits.values() for wait in group]
            if now >= self._closing_at:
                for wait in waits:
                    wait.resolve(None)
                continue
            old = {wait.process_id for wait in waits if now - wait.begun >= SWEEP_AFTER_S}
            if old:
                self._resolve_ended(list(old))

    def _resolve_ended(self, process_ids: list[uuid.UUID]) -> None:
        try:
            ended = self._ended(process_ids)
        except Exception as error:
            # The database may be unavailable. The waits continue, and so does the sweep.
            log.warning("rows of waiting requests not read, the next sweep tries again: %s", error)
            return
        for process_id, payload in ended.items():
            self._resolve(self._waits.get(str(process_id), []), payload)

    def _resolve(self, waits: list[Wait], payload: Payload) -> None:
        with self._guard:
            found = list(waits)
        for wait in found:
            wait.resolve(payload)
