"""Waiting for results: one subscriber thread a web process, one event a request.

Celery's `AsyncResult.get` does not serve in a threaded web server: threads share a subscription that only one may
read, or hold two Redis connections each. Every result of the result backend is published on the channel
``celery-task-meta-<task id>``; one connection listens to all of them and wakes the request that waits for it.

What the subscription missed (Redis away, emptied, a dropped subscriber) a sweep finds in the rows, once a second.
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

#: what stands before a process's id in the name of the channel on which its end is told
CHANNEL_PREFIX = KEY_PREFIX
#: seconds between two sweeps, and the age from which a wait is swept
SWEEP_EVERY_S = 1.0
SWEEP_AFTER_S = 2.0
#: seconds between the end of waiting and the end of the grace time: answers must still get out
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
        """The process's end, or None when it has not come within `timeout_s` seconds."""
        self._event.wait(timeout_s)
        return self.payload

    def resolve(self, payload: Payload | None) -> None:
        """End the wait."""
        if payload is not None:
            self.payload = payload
        self._event.set()


class Waiters:
    """The waits of one web process.

    Args:
        connect: gives a fresh Redis client for the subscriber.
        ended: payloads of those of the given processes that have ended, from their rows.
        limit: waits at once; see :meth:`waiting`.
        also: who else is told of messages, by the beginning of their channels; gets the rest of the channel's name.
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
        """How many requests wait."""
        return self._count

    def count_of(self, process_id: uuid.UUID) -> int:
        """How many requests wait for one process."""
        return len(self._waits.get(str(process_id), ()))

    @contextmanager
    def waiting(self, process_id: uuid.UUID) -> Iterator[Wait | None]:
        """Register a wait inside the block, before the start is enqueued; None when too many wait already."""
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
        """Have the subscription kept, whether or not anybody waits."""
        with self._guard:
            self._start()

    def close_within(self, grace_s: float) -> None:
        """The server stops: whoever still waits shortly before the end of its grace time is answered 202."""
        self._closing_at = time.monotonic() + max(0.0, grace_s - CLOSING_MARGIN_S)

    def _start(self) -> None:
        # At the first wait, not before: a thread does not survive the fork of a preloaded server.
        if not self._running:
            self._running = True
            threading.Thread(target=self._listen, name="result-subscriber", daemon=True).start()
            threading.Thread(target=self._sweep, name="result-sweep", daemon=True).start()

    def _listen(self) -> None:
        away = False
        pause = 0.1
        while True:
            try:
                with self._connect() as client, client.pubsub(ignore_subscribe_messages=True) as pubsub:
                    pubsub.psubscribe(*{f"{prefix}*" for prefix in (CHANNEL_PREFIX, *self._also)})
                    if away:
                        log.warning("result subscription is back")
                    away, pause = False, 0.1
                    while True:
                        # A time-out, so that the connection is probed now and then. What one that died silently
                        # misses meanwhile, the sweep finds.
                        message = pubsub.get_message(timeout=5.0)
                        if message is not None and message["type"] == "pmessage":
                            self._hear(message["channel"].decode(), message["data"])
            except (redis.RedisError, OSError) as error:
                if not away:
                    log.warning("result subscription is away, rows are swept instead: %s", error)
                away = True
                time.sleep(pause)
                pause = min(pause * 2, 2.0)
            except Exception:
                log.exception("fault in the result subscriber")
                time.sleep(1.0)

    def _hear(self, channel: str, data: bytes) -> None:
        for prefix, told in self._also.items():
            if channel.startswith(prefix):
                told(channel.removeprefix(prefix))
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
            # Too large for a key: the row has it.
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
            # The database may be away; the waits go on, and so does the sweep.
            log.warning("waits not swept: %s", error)
            return
        for process_id, payload in ended.items():
            self._resolve(self._waits.get(str(process_id), []), payload)

    def _resolve(self, waits: list[Wait], payload: Payload) -> None:
        with self._guard:
            found = list(waits)
        for wait in found:
            wait.resolve(payload)
