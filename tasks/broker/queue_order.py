"""In which order a worker reads its queues: what is under way before what is not begun.

An overloaded worker so ends processes instead of beginning ever more. kombu's own strategies know only chance and the
alphabet.
"""

from __future__ import annotations

from collections.abc import Iterable


class UnderWayFirst:
    """settling, polls, steps (the processes in turn), webhooks, starts. A cycle in the form that kombu asks for."""

    def __init__(self, queues: Iterable[str] = ()) -> None:
        self._first: list[str] = []
        self._steps: list[str] = []
        self._last: list[str] = []
        self.update(queues)

    def update(self, queues: Iterable[str]) -> None:
        """Begin anew with these queues."""
        names = sorted(queues)
        self._steps = [name for name in names if name.startswith("steps.")]
        self._last = [name for name in ("webhooks", "starts") if name in names]
        # Everything else is short: settling, polls.
        self._first = [name for name in names if name not in self._steps and name not in self._last]

    def consume(self, number: int) -> list[str]:
        """The first `number` queues."""
        return [*self._first, *self._steps, *self._last][:number]

    def rotate(self, last_used: str) -> None:
        """A steps queue that gave a message waits until the other processes' queues were asked."""
        if last_used in self._steps:
            self._steps.remove(last_used)
            self._steps.append(last_used)
