"""The open streams of this web process: limits their number, wakes them, and ends them at SIGTERM.

It also registers in Redis which processes have streams: workers publish changes of these processes only.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import redis

from tasks.broker.notify import WATCH_S, watch
from telemetry.metrics import declared

log = logging.getLogger(__name__)

#: seconds between two registrations of the watched processes; a registration is valid for `WATCH_S`
REFRESH_S = WATCH_S / 3
#: seconds until the next attempt while Redis is unavailable
RETRY_PAUSE_S = 2.0


class Watcher:
    """The registration of one stream in the hub."""

    __slots__ = ("_event", "correlation_id", "process_id")

    def __init__(self, correlation_id: str, process_id: str) -> None:
        self.correlation_id = correlation_id
        self.process_id = process_id
        self._event = threading.Event()

    def wait(self, timeout_s: float) -> None:
        """Wait for a change, at most `timeout_s` seconds."""
        self._event.wait(timeout_s)
        # Clear before the caller reads the rows, so that a change during the read wakes it again.
        self._event.clear()

    def wake(self) -> None:
        """End the current or the next wait: something has changed."""
        self._event.set()


class Hub:
    """The streams of one web process.

    Args:
        connect: returns the Redis client that registers the watched processes.
        listen: starts the subscriber that calls :meth:`changed` and :meth:`ended`.
        limit: how many streams may be open at once.
    """

    def __init__(self, connect: Callable[[], redis.Redis], listen: Callable[[], None], *, limit: int) -> None:
        self._connect = connect
        self._listen = listen
        self._limit = limit
        self._guard = threading.Lock()
        self._watchers: list[Watcher] = []
        self._opened = threading.Event()
        self._running = False
        self._stopping = False

    @property
    def count(self) -> int:
        """How many streams are open now."""
        return len(self._watchers)

    @property
    def is_stopping(self) -> bool:
        """True after SIGTERM: open streams end, and no stream is opened."""
        return self._stopping

    def open(self, correlation_id: str, process_id: str) -> Watcher | None:
        """Register one more stream; None if the limit is reached or the server is stopping."""
        with self._guard:
            if self._stopping or len(self._watchers) >= self._limit:
                return None
            watcher = Watcher(correlation_id, process_id)
            self._watchers.append(watcher)
            declared.STREAMS.inc()
            self._start()
        self._opened.set()
        self._listen()
        return watcher

    def close(self, watcher: Watcher) -> None:
        """Unregister a stream. A repeated call does nothing."""
        with self._guard:
            if watcher in self._watchers:
                self._watchers.remove(watcher)
                declared.STREAMS.dec()

    def changed(self, correlation_id: str) -> None:
        """Wake the streams of this process: a worker has committed a change."""
        self._wake(lambda watcher: watcher.correlation_id == correlation_id)

    def ended(self, process_id: str) -> None:
        """Wake the streams of this process: it has ended."""
        self._wake(lambda watcher: watcher.process_id == process_id)

    def stop(self) -> None:
        """End all streams, because the server stops. A signal handler calls this, in a thread that serves no stream."""
        self._stopping = True
        self._wake(lambda _: True)

    def _wake(self, matches: Callable[[Watcher], bool]) -> None:
        if not self._watchers:
            # Skip the lock: this runs for every result of every process.
            return
        with self._guard:
            found = [watcher for watcher in self._watchers if matches(watcher)]
        for watcher in found:
            watcher.wake()

    def _start(self) -> None:
        # Start the thread at the first stream: a thread that is started earlier does not survive the server's fork.
        if not self._running:
            self._running = True
            threading.Thread(target=self._register_watched, name="event-watch", daemon=True).start()

    def _register_watched(self) -> None:
        unavailable = False
        while True:
            # Clear first, so that a stream that opens from now on is registered at once.
            self._opened.clear()
            with self._guard:
                names = {watcher.correlation_id for watcher in self._watchers}
            try:
                if names:
                    watch(self._connect(), names)
                    unavailable = False
                self._opened.wait(REFRESH_S if names else None)
            except (redis.RedisError, OSError) as error:
                if not unavailable:
                    log.warning("watched processes not registered in Redis, streams read the rows instead: %s", error)
                unavailable = True
                time.sleep(RETRY_PAUSE_S)
            except Exception:
                log.exception("unexpected exception while registering watched processes, trying again")
                time.sleep(RETRY_PAUSE_S)
