"""Retry strategies: how many retries a step has, and how long the engine pauses between attempts.

    @process.step("charge-card", retry_strategy=ExponentialBackoff(retries=5, base_s=2.0, max_s=60.0))

For a strategy of your own, subclass :class:`RetryStrategy`. The engine counts the retries that are left, and ops may
set that number. A strategy therefore only computes the pause, and decides whether an error is final.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from dataclasses import dataclass

from camunda_bridge.errors import DefinitionError

#: retries of a step that doesn't declare any
DEFAULT_RETRIES = 3
#: pause before the first retry, in seconds
DEFAULT_BASE_S = 1.0
#: longest pause between two attempts, in seconds: an hour
DEFAULT_MAX_S = 3_600.0
#: share of a pause by which it is longer or shorter, at random, so that steps that failed together retry apart
DEFAULT_JITTER = 0.25
#: most doublings of the pause; more would overflow a float, and the pause is the longest before that
MAX_DOUBLINGS = 60


class RetryStrategy(ABC):
    """Decides whether and when a failed step is tried again. `retries`: how many attempts it has after the first."""

    retries: int

    @abstractmethod
    def pause_s(self, failures: int) -> float:
        """The pause before the next attempt, in seconds, after `failures` failed attempts (1 after the first)."""

    def is_final(self, error: Exception) -> bool:
        """True when another attempt would fail the same way: then an incident opens at once, without a retry."""
        return False

    def retries_left(self, before: int | None) -> int:
        """The retries that are left after one more failed attempt.

        `before`: how many retries the engine counts; None before the first failure.
        """
        return max(0, (self.retries + 1 if before is None else before) - 1)

    def pause_ms(self, left: int) -> int:
        """The pause before the next attempt, in whole milliseconds, when `left` retries are left; 0 when none is left.

        The engine implements the pause as a lock. With no retry left it is 0, so that ops can retry at once.
        """
        return round(self.pause_s(max(1, self.retries - left + 1)) * 1000) if left else 0


@dataclass(frozen=True)
class ExponentialBackoff(RetryStrategy):
    """Doubles the pause with each failed attempt, and adds jitter.

    Args:
        retries: how many attempts the step has after the first.
        base_s: pause before the first retry, in seconds.
        max_s: longest pause, in seconds.
        jitter: share of the pause by which it is longer or shorter, at random; 0 to 1.

    Raises:
        DefinitionError: a number is out of range.
    """

    retries: int = DEFAULT_RETRIES
    base_s: float = DEFAULT_BASE_S
    max_s: float = DEFAULT_MAX_S
    jitter: float = DEFAULT_JITTER

    def __post_init__(self) -> None:
        if self.retries < 0 or self.base_s < 0 or self.max_s < 0:
            raise DefinitionError("a retry strategy's retries, base_s and max_s must not be negative")
        if not 0 <= self.jitter <= 1:
            raise DefinitionError("a retry strategy's jitter must be from 0 to 1")

    def pause_s(self, failures: int) -> float:
        """`base_s` after the first failure, twice as much after each further one, at most `max_s`; then the jitter."""
        pause = min(self.max_s, self.base_s * 2.0 ** min(failures - 1, MAX_DOUBLINGS))
        return pause * random.uniform(1 - self.jitter, 1 + self.jitter)


@dataclass(frozen=True)
class NoRetry(RetryStrategy):
    """No retries: the first failure opens an incident."""

    retries: int = 0

    def pause_s(self, failures: int) -> float:
        """0: there is no next attempt, except one that ops ask for."""
        return 0.0


#: the strategy of a step that doesn't declare one
DEFAULT_RETRY = ExponentialBackoff()
