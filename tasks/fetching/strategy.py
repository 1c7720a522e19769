"""The fetch strategy: how the next steps of a process are fetched at the lowest cost now.

The engine's filtered `fetchAndLock` looks at every task of the topics: beside 20,000 others it takes ten times as long.
Listing the tasks of the instance takes three requests whose cost does not grow. Each process measures both for itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

#: after how many picks the slower strategy is tried again
TRY_AGAIN = 40
#: weight of the newest measurement in the moving average, 0 to 1
NEWEST_WEIGHT = 0.3


class FetchStrategy(Enum):
    """How the next steps of an instance are fetched."""

    BY_KEY = "one fetch filtered by business key"
    BY_INSTANCE = "its tasks listed, each locked by id"


class StrategyPicker:
    """Picks the strategy that was faster lately, as measured in one process."""

    def __init__(self) -> None:
        self._average_s: dict[FetchStrategy, float] = {}
        self._picks = 0

    def pick(self, *, slow_s: float) -> FetchStrategy:
        """The strategy to use now. A fetch that takes less than `slow_s` seconds is never worth three requests."""
        by_key = self._average_s.get(FetchStrategy.BY_KEY, 0.0)
        if by_key < slow_s:
            return FetchStrategy.BY_KEY
        by_instance = self._average_s.get(FetchStrategy.BY_INSTANCE, 0.0)
        faster, slower = FetchStrategy.BY_KEY, FetchStrategy.BY_INSTANCE
        if by_instance < by_key:
            faster, slower = slower, faster
        self._picks += 1
        return faster if self._picks % TRY_AGAIN else slower

    @contextmanager
    def timing(self, strategy: FetchStrategy) -> Iterator[None]:
        """Measure the block. One that raises says nothing about its strategy."""
        begun = time.perf_counter()
        yield
        self.note(strategy, time.perf_counter() - begun)

    def note(self, strategy: FetchStrategy, took_s: float) -> None:
        """Add a measurement, in seconds, to the moving average."""
        before = self._average_s.get(strategy, took_s)
        self._average_s[strategy] = before + NEWEST_WEIGHT * (took_s - before)


#: the measurements of this process
picker = StrategyPicker()
