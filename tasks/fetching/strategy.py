"""Which way to a process's next steps is the cheaper one now: one filtered fetch, or listing the instance's own tasks.

The engine's filtered `fetchAndLock` looks at every task of the topics: with 20,000 others it takes ten times as long.
Listing by instance takes three calls whose cost does not grow. Each process of the system measures both for itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

#: how often the way that was the slower one is tried again, in follows
TRY_AGAIN = 40
#: weight of the newest measurement
NEWEST = 0.3


class Way(Enum):
    """How the next steps of an instance are asked for."""

    BY_KEY = "one fetch filtered by business key"
    BY_INSTANCE = "its tasks listed, each locked by id"


class Ways:
    """What each way took lately, in one process."""

    def __init__(self) -> None:
        self._took_s: dict[Way, float] = {}
        self._follows = 0

    def pick(self, *, slow_s: float) -> Way:
        """The way to go now; a fetch that takes less than `slow_s` seconds is never worth three calls."""
        by_key = self._took_s.get(Way.BY_KEY, 0.0)
        if by_key < slow_s:
            return Way.BY_KEY
        cheaper = Way.BY_INSTANCE if self._took_s.get(Way.BY_INSTANCE, 0.0) < by_key else Way.BY_KEY
        self._follows += 1
        if self._follows % TRY_AGAIN:
            return cheaper
        return Way.BY_KEY if cheaper is Way.BY_INSTANCE else Way.BY_INSTANCE

    @contextmanager
    def timing(self, way: Way) -> Iterator[None]:
        """Note what the block takes; one that raises says nothing about the way."""
        begun = time.perf_counter()
        yield
        self.note(way, time.perf_counter() - begun)

    def note(self, way: Way, took_s: float) -> None:
        """Remember a measurement."""
        before = self._took_s.get(way, took_s)
        self._took_s[way] = before + NEWEST * (took_s - before)
