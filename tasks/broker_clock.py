"""The clock that all processes share: that of Redis. It gives every time that one host writes and another compares.

The clocks of two hosts may differ by any amount. Each process reads the time of Redis now and then (`TIME`) and adds
the time since then by its own monotonic clock, which a correction of the host's clock does not change.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import redis

log = logging.getLogger(__name__)

#: seconds for which one answer of Redis is used; a host's clock drifts by a few milliseconds in that time
RENEW_S = 60.0
#: seconds until the next request after Redis did not answer
TRY_AGAIN_S = 1.0
#: an answer that took longer, in seconds, is too inexact to be used
MAX_ROUND_TRIP_S = 0.25


class BrokerClock:
    """The clock of one Redis, as one process reads it.

    Args:
        client: gives the client to ask.
    """

    def __init__(self, client: Callable[[], redis.Redis]) -> None:
        self._client = client
        self._offset_s: float | None = None
        self._ask_at = float("-inf")

    def now(self) -> float:
        """Seconds since the epoch; by this host's clock until Redis answers for the first time."""
        if time.monotonic() >= self._ask_at:
            self._ask()
        return time.time() if self._offset_s is None else time.monotonic() + self._offset_s

    def _ask(self) -> None:
        begun = time.monotonic()
        self._ask_at = begun + TRY_AGAIN_S
        try:
            seconds, micros = self._client().time()  # type: ignore[misc]
        except (redis.RedisError, OSError) as error:
            log.debug("time of Redis unknown, the last answer is used: %s", error)
            return
        answered = time.monotonic()
        if answered - begun <= MAX_ROUND_TRIP_S or self._offset_s is None:
            self._offset_s = seconds + micros / 1_000_000 - (begun + answered) / 2
            self._ask_at = answered + RENEW_S
