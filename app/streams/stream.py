"""One stream: all events so far, then each event as it happens, until the process ends."""

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

#: milliseconds that a client waits before it opens a lost stream again
RETRY_MS = 2_000
#: seconds without data after which a comment is sent; many proxies close a connection that is idle for 30 or 60
KEEP_ALIVE_S = 15.0
#: seconds between two reads of the rows, which find what pub/sub missed; short at first, because workers publish the
#: changes of the process only after they have seen that it is watched
SWEEPS_S = (0.25, 0.25, 0.5, 1.0, 2.0)
#: seconds that a client may take to read the data that was sent
READ_S = 30.0


class Stream:
    """The text of one stream, piece by piece.

    Args:
        row: reads the row of the process.
        feed: the events of the process.
        links: the links of the process, for the last event.
    """

    def __init__(self, row: Callable[[], ProcessRow], feed: Feed, links: dict[str, str]) -> None:
        self._row = row
        self._feed = feed
        self._links = links
        self.has_ended = False

    def read(self) -> str:
        """The new events as text of the stream; empty if there are none.

        Raises:
            DatabaseUnavailable: nothing is lost; the next call returns these events.
        """
        # Read the row first, then the events: so the events before the end are complete when the row has ended.
        row = self._row()
        events = self._feed.new_events()
        if row.status != PENDING:
            events.append(end_event(row, self._links))
            self.has_ended = True
        return "".join(map(str, events))

    def follow(self, hub: Hub, watcher: Watcher, client: ClientSocket, *, for_s: float) -> Iterator[str]:
        """The stream of a running process, for at most `for_s` seconds."""
        now = time.monotonic()
        until, idle_since, reads = now + for_s, now, 0
        with client.reads_within(READ_S):
            yield sse.retry(RETRY_MS)
            while True:
                if text := self._try_read():
                    yield text
                    idle_since = time.monotonic()
                now = time.monotonic()
                if self.has_ended or hub.is_stopping or now >= until or client.is_gone:
                    return
                if now - idle_since >= KEEP_ALIVE_S:
                    yield sse.comment("keep-alive")
                    idle_since = now
                watcher.wait(min(SWEEPS_S[min(reads, len(SWEEPS_S) - 1)], until - now))
                reads += 1

    def _try_read(self) -> str:
        try:
            return self.read()
        except DatabaseUnavailable as error:
            log.info("events not read, the stream stays open and reads again: %s", error)
            return ""
