"""The order in which a worker consumes its queues: running processes before new ones.

So an overloaded worker ends processes instead of starting ever more. A start of high priority comes before other
starts, but not before a step. kombu's own strategies are round robin, sorted and random order.
"""

from __future__ import annotations

from collections.abc import Iterable

from tasks.broker.start_priority import STARTS_LISTS, STARTS_QUEUE


class UnderWayFirst:
    """settling, polls, steps (round robin over the processes), webhooks, starts (highest priority first).

    The interface is kombu's cycle, except that the queue of starts is given as its lists.
    """

    def __init__(self, queues: Iterable[str] = ()) -> None:
        self._first: list[str] = []
        self._steps: list[str] = []
        self._last: list[str] = []
        self.update(queues)

    def update(self, queues: Iterable[str]) -> None:
        """Start over with these queues."""
        names = sorted(queues)
        self._steps = [name for name in names if name.startswith("steps.")]
        last = [name for name in ("webhooks", STARTS_QUEUE) if name in names]
        self._last = [one for name in last for one in (STARTS_LISTS if name == STARTS_QUEUE else (name,))]
        # All others have short tasks: settling, polls.
        self._first = [name for name in names if name not in self._steps and name not in last]

    def consume(self, _number: int) -> list[str]:
        """The lists to read, in order. kombu always asks for as many queues as it has given."""
        return [*self._first, *self._steps, *self._last]

    def rotate(self, last_used: str) -> None:
        """Move a steps queue that gave a message behind the other steps queues."""
        if last_used in self._steps:
            self._steps.remove(last_used)
            self._steps.append(last_used)
