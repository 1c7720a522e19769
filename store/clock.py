"""The clock of the store: every time that is stored or compared comes from here, so that tests can replace it.

It is the clock of the database, because one host writes a row and another compares its times, and the clocks of hosts
differ. Each new connection to SQL Server reads the server's time. From then on this process adds the time of its
monotonic clock, which doesn't change when the clock of the host is corrected. SQLite is on the same host, so there the
clock of the host is used.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

#: the last time that the server sent, and the monotonic clock of this process at that moment, in seconds
_server_time: tuple[datetime, float] | None = None


def now() -> datetime:
    """The current time, in UTC."""
    if _server_time is None:
        return datetime.now(UTC)
    server, at = _server_time
    return server + timedelta(seconds=time.monotonic() - at)


def set_by_server(server: datetime, *, asked_at: float, answered_at: float) -> None:
    """Set the clock to the time of a server.

    Args:
        server: the time of the server, in UTC, without a zone.
        asked_at: time.monotonic() before the query.
        answered_at: time.monotonic() after the answer. The time is taken as that of the middle between the two.
    """
    global _server_time
    _server_time = server.replace(tzinfo=UTC), (asked_at + answered_at) / 2
