"""Retries work after the database was unavailable, or rolled the transaction back because of a conflict."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, stop_after_delay, wait_random_exponential
from tenacity.wait import wait_random

from store.errors import DatabaseUnavailable, TransactionConflict

T = TypeVar("T")

#: longest first pause and longest of all pauses between two runs, in seconds
PAUSE_S, MAX_PAUSE_S = 0.05, 2.0
#: most runs of a transaction that ends in a conflict
CONFLICT_TRIES = 4
#: shortest and longest pause between two runs after a conflict, in seconds
CONFLICT_PAUSE_S = (0.01, 0.05)


def retrying(work: Callable[[], T], *, for_s: float, sleep: Callable[[float], None] = time.sleep) -> T:
    """Run `work` until the database is available, with exponential back-off and jitter, for about `for_s` seconds.

    Raises:
        DatabaseUnavailable: the database was unavailable the whole time.
    """
    again = Retrying(
        retry=retry_if_exception_type(DatabaseUnavailable),
        stop=stop_after_delay(for_s),
        wait=wait_random_exponential(multiplier=PAUSE_S, max=min(MAX_PAUSE_S, for_s)),
        sleep=sleep,
        reraise=True,
    )
    return again(work)


def retrying_conflicts(work: Callable[[], T], *, sleep: Callable[[float], None] = time.sleep) -> T:
    """Run `work`, a whole transaction; after a :class:`TransactionConflict` run it again, at most a few times.

    Raises:
        TransactionConflict: every run ended in a conflict.
        DatabaseUnavailable: the database is unavailable for another reason.
    """
    again = Retrying(
        retry=retry_if_exception_type(TransactionConflict),
        stop=stop_after_attempt(CONFLICT_TRIES),
        wait=wait_random(*CONFLICT_PAUSE_S),
        sleep=sleep,
        reraise=True,
    )
    return again(work)
