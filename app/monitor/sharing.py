"""One look at the database for everybody who asks the same at about the same time."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar

#: seconds for which a look serves everybody who asks for the same
FRESH_S = 5.0
#: it serves for at least so many times as long as it took: of every hour of a page, less than three minutes are work
_TIMES_ITS_COST = 20

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    fresh_until: float
    found: T


class Shared(Generic[T]):
    """What was looked up, by name. Who asks while another looks waits for what that one finds, or fails with."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: dict[str, _Kept[T]] = {}
        self._under_way: dict[str, Future[T]] = {}

    def get(self, name: str, look: Callable[[], T]) -> T:
        """What `look` found a moment ago, or finds now.

        Raises:
            Exception: whatever `look` raises, to everybody who waits for it; the next who asks looks again.
        """
        with self._lock:
            kept = self._kept.get(name)
            if kept is not None and time.monotonic() < kept.fresh_until:
                return kept.found
            if (other := self._under_way.get(name)) is None:
                own: Future[T] = Future()
                self._under_way[name] = own
        if other is not None:
            return other.result()
        begun = time.monotonic()
        try:
            found = look()
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
            del self._under_way[name]
            if kept is not None:
                self._kept[name] = kept
