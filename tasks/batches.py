"""Work on rows that were taken from the store, and give back those that could not be worked on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


def each_or_give_back(
    taken: Sequence[T], work: Callable[[T], object], give_back: Callable[[Sequence[T]], Any], *, when: type[Exception]
) -> None:
    """Work on each in turn; at an error of the kind `when`, give that one and those behind it back, and raise it."""
    for position, item in enumerate(taken):
        try:
            work(item)
        except when:
            give_back(taken[position:])
            raise
