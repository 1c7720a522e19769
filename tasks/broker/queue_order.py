"""The order in which a worker consumes its queues: running processes before new ones.

So an overloaded worker ends processes instead of starting ever more. kombu's own strategies are round robin, sorted and
random order.
"""

from __future__ import annotations

from collections.abc import Iterable


class UnderWayFirst:
    """settling, polls, steps (round robin over the processes), webhooks, starts. The interface is kombu's cycle."""

    def __init__(self, queues: Iterable[str] = ()) -> None:
        self._first: list[str] = []
        self._steps: list[str] = []
        self._last: list[str] = []
        self.update(queues)

    def update(self, queues: Iterable[str]) -> None:
        """Start over with these queues."""
        names = sorted(queues)
        self._steps = [name for name in names if name.startswith("steps.")]
        self._last = [name for name in ("webhooks", "starts") if name in names]
        # All others have short tasks: settling, polls.
        self._first = [name for name in names if name not in self._steps and name not in self._last]

    def consume(self, number: int) -> list[str]:
        """The first `number` queues."""
        return [*self._first, *self._steps, *self._last][:number]

    def rotate(self, last_used: str) -> None:
        """Move a steps queue that gave a message behind the other steps queues."""
        if last_used in self._steps:
            self._steps.remove(last_used)
            self._steps.append(last_used)
