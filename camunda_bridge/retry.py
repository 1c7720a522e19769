"""The retry policy of a step: how many attempts it gets, and how long the engine pauses between them.

    @process.step("charge-card", retry_strategy=ExponentialBackoff(retries=5, base_s=2.0, max_s=60.0))

A strategy of your own is a subclass of :class:`RetryStrategy`. The engine counts the retries that are left, and ops may
set that number; so a strategy is asked for a pause only, and whether an error is worth another attempt.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from dataclasses import dataclass

from camunda_bridge.errors import DefinitionError

#: attempts after the first, where a step declares none
DEFAULT_RETRIES = 3
#: pause before the first retry, in seconds
DEFAULT_BASE_S = 1.0
#: longest pause between two attempts, in seconds: an hour
DEFAULT_MAX_S = 3_600.0
#: how far a pause may be from its value, as a share of it: steps that failed together are not tried together
DEFAULT_JITTER = 0.25
#: doublings after which every pause is the longest
MAX_DOUBLINGS = 60


class RetryStrategy(ABC):
    """Decides about the next attempt of a step that failed. `retries`: attempts after the first."""

    retries: int

    @abstractmethod
    def pause_s(self, failures: int) -> float:
        """The pause before the next attempt, in seconds, after `failures` failed attempts (1 after the first)."""

    def is_final(self, error: Exception) -> bool:
        """True when another attempt would fail alike: then an incident is opened at once."""
        return False

    def retries_left(self, before: int | None) -> int:
        """Retries after one more failed attempt. `before`: what the engine counts, None before the first failure."""
        return max(0, (self.retries + 1 if before is None else before) - 1)

    def pause_ms(self, left: int) -> int:
        """The pause before the next attempt, in whole milliseconds, when `left` retries are left; 0 without one.

        To the engine the pause is a lock. Without a retry there is nothing to pause for, and ops need not wait.
        """
        return round(self.pause_s(max(1, self.retries - left + 1)) * 1000) if left else 0


@dataclass(frozen=True)
class ExponentialBackoff(RetryStrategy):
    """Doubles the pause with each failed attempt, with jitter.

    Args:
        retries: attempts after the first.
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
        """`base_s` after the first failure, doubled with each more, at most `max_s`; then the jitter."""
        pause = min(self.max_s, self.base_s * 2.0 ** min(failures - 1, MAX_DOUBLINGS))
        return pause * random.uniform(1 - self.jitter, 1 + self.jitter)


@dataclass(frozen=True)
class NoRetry(RetryStrategy):
    """One attempt: its failure opens an incident."""

    retries: int = 0

    def pause_s(self, failures: int) -> float:
        """0: there is no next attempt, unless ops allow one."""
        return 0.0


#: of a step that declares no other
DEFAULT_RETRY = ExponentialBackoff()
