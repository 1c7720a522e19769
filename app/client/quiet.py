"""Tells where a watched process stands when no event has come for a while: it waits for something then."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

from app.client.api import ApiClient
from app.client.errors import ApiUnreachable
from app.standing_text import lines

#: seconds without an event after which the process is asked about
QUIET_S = 3.0


class QuietTeller:
    """Calls `tell` with the lines of :func:`app.standing_text.lines`, once for each quiet time.

    It asks in a thread of its own, because the events are read in the caller's. Use it as a context manager.
    """

    def __init__(self, api: ApiClient, correlation_id: str, tell: Callable[[str], None]) -> None:
        self._api = api
        self._correlation_id = correlation_id
        self._tell = tell
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def __enter__(self) -> QuietTeller:
        self.heard()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._set(None)

    def heard(self) -> None:
        """An event has come: the quiet time begins anew."""
        timer = threading.Timer(QUIET_S, self._tell_now)
        timer.daemon = True
        timer.start()
        self._set(timer)

    def _tell_now(self) -> None:
        """Ask where the process stands, and tell it; nothing if the server does not answer or does not know."""
        try:
            reply = self._api.get("status", self._correlation_id, query={"active": "true"})
        except ApiUnreachable:
            return
        if self._timer is None:
            # The watch has ended meanwhile.
            return
        if active := reply.body.get("active"):
            for line in lines(active):
                self._tell(line)

    def _set(self, timer: threading.Timer | None) -> None:
        with self._lock:
            before, self._timer = self._timer, timer
        if before is not None:
            before.cancel()
