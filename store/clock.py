"""The one clock of the store: everything that stores or compares a time asks here, so that tests can stand still.

It is the clock of the database. Rows are written by one host and compared by another, whose clocks may differ by any
amount. Each new connection to a server tells this process its time, from which it counts on by its own monotonic clock,
which no correction of the host's clock moves. SQLite is on the same host: there the host's own clock serves.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

#: the server's time, and this process's monotonic clock at that moment, in seconds
_told: tuple[datetime, float] | None = None


def now() -> datetime:
    """The present, in UTC."""
    if _told is None:
        return datetime.now(UTC)
    server, at = _told
    return server + timedelta(seconds=time.monotonic() - at)


def set_by_server(server: datetime, *, asked_at: float, answered_at: float) -> None:
    """Go by the time that a server told.

    Args:
        server: its time, in UTC, without a zone.
        asked_at: time.monotonic() before it was asked.
        answered_at: the same when its answer was there; the time is that of the middle.
    """
    global _told
    _told = server.replace(tzinfo=UTC), (asked_at + answered_at) / 2
