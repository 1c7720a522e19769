"""Run one function in many threads that begin together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def together(number: int, work: Callable[[int], T]) -> list[T]:
    """Run `work(0)` to `work(number - 1)` so that all begin at the same moment, and return their results."""
    start = threading.Barrier(number)

    def run(index: int) -> T:
        start.wait(10)
        return work(index)

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(run, range(number), timeout=60))
