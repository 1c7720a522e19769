"""Who streams what in this web process: the bound, the wake-ups, the word to the workers, the end at SIGTERM."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import redis

from tasks.broker.notify import WATCH_S, watch
from telemetry.metrics import declared

log = logging.getLogger(__name__)

#: seconds between two times that workers are told what is watched, well below the time for which they believe it
REFRESH_S = WATCH_S / 3
#: seconds until it is tried again while Redis is away
AWAY_PAUSE_S = 2.0


class Watcher:
    """One stream's place in the hub."""

    __slots__ = ("_event", "correlation_id", "process_id")

    def __init__(self, correlation_id: str, process_id: str) -> None:
        self.correlation_id = correlation_id
        self.process_id = process_id
        self._event = threading.Event()

    def wait(self, timeout_s: float) -> None:
        """Until something happened, at most `timeout_s` seconds."""
        self._event.wait(timeout_s)
        # Before the rows are read: what happens from now on wakes again.
        self._event.clear()

    def wake(self) -> None:
        """Something happened."""
        self._event.set()


class Hub:
    """The streams of one web process.

    Args:
        connect: gives the Redis client through which workers are told what is watched.
        listen: starts the subscriber that calls :meth:`changed` and :meth:`ended`.
        limit: streams at once.
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
        """How many streams are open."""
        return len(self._watchers)

    @property
    def is_stopping(self) -> bool:
        """True from SIGTERM on: streams end, none is opened."""
        return self._stopping

    def open(self, correlation_id: str, process_id: str) -> Watcher | None:
        """A place for one more stream; None when there is none."""
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
        """Give a place back; twice is once."""
        with self._guard:
            if watcher in self._watchers:
                self._watchers.remove(watcher)
                declared.STREAMS.dec()

    def changed(self, correlation_id: str) -> None:
        """A worker has committed something about this process."""
        self._wake(lambda watcher: watcher.correlation_id == correlation_id)

    def ended(self, process_id: str) -> None:
        """This process has ended."""
        self._wake(lambda watcher: watcher.process_id == process_id)

    def stop(self) -> None:
        """The server stops: streams end now. Called by a signal handler, in a thread that serves no stream."""
        self._stopping = True
        self._wake(lambda _: True)

    def _wake(self, is_meant: Callable[[Watcher], bool]) -> None:
        if not self._watchers:
            # Every result of every process comes by here.
            return
        with self._guard:
            found = [watcher for watcher in self._watchers if is_meant(watcher)]
        for watcher in found:
            watcher.wake()

    def _start(self) -> None:
        # At the first stream, not before: a thread does not survive the fork of a preloaded server.
        if not self._running:
            self._running = True
            threading.Thread(target=self._keep_watched, name="event-watch", daemon=True).start()

    def _keep_watched(self) -> None:
        away = False
        while True:
            # Streams that were opened meanwhile are named together.
            self._opened.clear()
            with self._guard:
                names = {watcher.correlation_id for watcher in self._watchers}
            try:
                if names:
                    watch(self._connect(), names)
                    away = False
                self._opened.wait(REFRESH_S if names else None)
            except (redis.RedisError, OSError) as error:
                if not away:
                    log.warning("workers not told what is watched, streams look by themselves: %s", error)
                away = True
                time.sleep(AWAY_PAUSE_S)
            except Exception:
                log.exception("fault while telling workers what is watched")
                time.sleep(AWAY_PAUSE_S)
