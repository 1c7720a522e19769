"""One stream: everything so far, then each thing as it happens, until the process has ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator

from app.streams import sse
from app.streams.client_socket import ClientSocket
from app.streams.feed import Feed, end_event
from app.streams.hub import Hub, Watcher
from store.errors import DatabaseUnavailable
from store.process_rows import PENDING, ProcessRow

log = logging.getLogger(__name__)

#: what a client that lost the stream waits before it comes back, in milliseconds
RETRY_MS = 2_000
#: seconds of silence after which a comment is sent: proxies close quiet connections, many after 30 or 60
KEEP_ALIVE_S = 15.0
#: seconds between two looks at the rows for what pub/sub missed; short at first, until workers know of the stream
SWEEPS_S = (0.25, 0.25, 0.5, 1.0, 2.0)
#: seconds that a client may take to read what was sent
READ_S = 30.0


class Stream:
    """The text of one stream, piece by piece.

    Args:
        row: reads the process's row.
        feed: its events.
        links: where to go on, for the last event.
    """

    def __init__(self, row: Callable[[], ProcessRow], feed: Feed, links: dict[str, str]) -> None:
        self._row = row
        self._feed = feed
        self._links = links
        self.has_ended = False

    def look(self) -> str:
        """What is new, as it is sent; empty for nothing.

        Raises:
            DatabaseUnavailable: the next look tells it.
        """
        # The row first: whatever was written before it ended is among the events then.
        row = self._row()
        events = self._feed.news()
        if row.status != PENDING:
            events.append(end_event(row, self._links))
            self.has_ended = True
        return "".join(map(str, events))

    def follow(self, hub: Hub, watcher: Watcher, client: ClientSocket, *, for_s: float) -> Iterator[str]:
        """The stream of a running process, at most `for_s` seconds long."""
        now = time.monotonic()
        until, quiet_since, looks = now + for_s, now, 0
        with client.reads_within(READ_S):
            yield sse.retry(RETRY_MS)
            while True:
                if text := self._try_look():
                    yield text
                    quiet_since = time.monotonic()
                now = time.monotonic()
                if self.has_ended or hub.is_stopping or now >= until or client.is_gone:
                    return
                if now - quiet_since >= KEEP_ALIVE_S:
                    yield sse.comment("keep-alive")
                    quiet_since = now
                watcher.wait(min(SWEEPS_S[min(looks, len(SWEEPS_S) - 1)], until - now))
                looks += 1

    def _try_look(self) -> str:
        try:
            return self.look()
        except DatabaseUnavailable as error:
            log.info("stream goes on without the database: %s", error)
            return ""
