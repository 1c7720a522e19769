"""Caches results of expensive queries for a short time, and runs each query once for concurrent requests."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar

#: seconds for which a result is used, at least
FRESH_S = 5.0
#: a result is used for at least this many times the duration of its query, so that queries of one name run for less
#: than three minutes of an hour
_TIMES_ITS_COST = 20

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    fresh_until: float
    found: T


class Shared(Generic[T]):
    """Results by name. A thread that needs a result which another thread is reading waits for it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: dict[str, _Kept[T]] = {}
        self._running: dict[str, Future[T]] = {}

    def get(self, name: str, read: Callable[[], T]) -> T:
        """The cached result of `read`, or a new one.

        Raises:
            Exception: any exception of `read`, in all threads that wait for it. The next call reads again.
        """
        with self._lock:
            kept = self._kept.get(name)
            if kept is not None and time.monotonic() < kept.fresh_until:
                return kept.found
            if (other := self._running.get(name)) is None:
                own: Future[T] = Future()
                self._running[name] = own
        if other is not None:
            return other.result()
        begun = time.monotonic()
        try:
            found = read()
        except BaseException as error:
            self._done(name, None)
            own.set_exception(error)
            raise
        ended = time.monotonic()
        self._done(name, _Kept(ended + max(FRESH_S, _TIMES_ITS_COST * (ended - begun)), found))
        own.set_result(found)
        return found

    def _done(self, name: str, kept: _Kept[T] | None) -> None:
        with self._lock:
            del self._running[name]
            if kept is not None:
                self._kept[name] = kept
