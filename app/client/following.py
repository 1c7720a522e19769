"""Follow a process to its end, whatever happens to the connection or the server meanwhile."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

from app.client.api import ApiClient, StreamedEvent
from app.client.errors import ApiUnreachable, DeadlineExceeded, RequestRefused, StreamLost

#: seconds without any stream after which the server counts as unreachable
PATIENCE_S = 60.0
#: first and longest pause before coming back, in seconds
PAUSE_S, MOST_PAUSE_S = 0.5, 5.0
#: answers that mean "later": too many requests, too many streams, a server that starts or stops
_LATER = (429, 502, 503, 504)


def follow(
    api: ApiClient,
    correlation_id: str,
    *,
    timeout_s: float | None = None,
    lost: Callable[[str], None] = lambda why: None,
    patience_s: float = PATIENCE_S,
) -> Iterator[StreamedEvent]:
    """Each event once, the `end` last.

    Args:
        api: where to ask.
        correlation_id: the process.
        timeout_s: longest time, in seconds.
        lost: is told why a stream broke off.
        patience_s: see :data:`PATIENCE_S`.

    Raises:
        RequestRefused: the server has no stream for us, and will not have one later.
        DeadlineExceeded: `timeout_s` is over.
        ApiUnreachable: no stream could be opened for a while.
    """
    begun = time.monotonic()
    until = begun + timeout_s if timeout_s is not None else None
    seen: set[str] = set()
    last_id: str | None = None
    pause, heard_at = PAUSE_S, begun
    while True:
        try:
            for event in api.events(correlation_id, last_id, for_s=_left(until)):
                # A stream begins with everything so far, again.
                pause, heard_at, last_id = PAUSE_S, time.monotonic(), event.id
                if event.id not in seen:
                    seen.add(event.id)
                    yield event
                if event.name == "end":
                    return
            # Closed without an end: the server stops, or the stream was as long as one may be.
            heard_at = time.monotonic()
        except StreamLost as error:
            _left(until)
            lost(str(error))
        except RequestRefused as refused:
            if refused.reply.status not in _LATER:
                raise
            lost(str(refused.reply.body.get("detail", refused)))
        left = _left(until)
        if time.monotonic() - heard_at > patience_s:
            raise ApiUnreachable(f"no stream for {patience_s:.0f} s")
        chosen = pause * random.uniform(0.5, 1.0)
        time.sleep(chosen if left is None else min(chosen, left))
        pause = min(pause * 2, MOST_PAUSE_S)


def _left(until: float | None) -> float | None:
    """Seconds until then (monotonic); None for no bound.

    Raises:
        DeadlineExceeded: there are none.
    """
    if until is None:
        return None
    left = until - time.monotonic()
    if left <= 0:
        raise DeadlineExceeded("not ended in the time given")
    return left
