"""Follows the events of a process until it ends; opens the stream again when the connection is lost."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

from app.client.api import ApiClient, StreamedEvent
from app.client.errors import ApiUnreachable, DeadlineExceeded, RequestRefused, StreamLost

#: seconds without any stream after which the server counts as unreachable
PATIENCE_S = 60.0
#: seconds before the stream is opened again: the first pause, and the longest
PAUSE_S, MOST_PAUSE_S = 0.5, 5.0
#: statuses after which to try again: too many requests or streams, or a server that starts or stops
_LATER = (429, 502, 503, 504)


def follow(
    api: ApiClient,
    correlation_id: str,
    *,
    timeout_s: float | None = None,
    lost: Callable[[str], None] = lambda why: None,
    patience_s: float = PATIENCE_S,
) -> Iterator[StreamedEvent]:
    """Yield each event of a process once; the last one is `end`.

    Args:
        api: the client.
        correlation_id: the process.
        timeout_s: how long to follow the process, in seconds, at most; None for no limit.
        lost: called with the reason when a stream breaks off or cannot be opened.
        patience_s: see :data:`PATIENCE_S`, in seconds.

    Raises:
        RequestRefused: the server refuses the stream, and would refuse it again.
        DeadlineExceeded: `timeout_s` is over.
        ApiUnreachable: no stream could be opened for `patience_s`.
    """
    begun = time.monotonic()
    until = begun + timeout_s if timeout_s is not None else None
    seen: set[str] = set()
    last_id: str | None = None
    pause, received_at = PAUSE_S, begun
    while True:
        try:
            for event in api.events(correlation_id, last_id, for_s=_left(until)):
                # Every stream begins with all events so far, so skip those that were yielded already.
                pause, received_at, last_id = PAUSE_S, time.monotonic(), event.id
                if event.id not in seen:
                    seen.add(event.id)
                    yield event
                if event.name == "end":
                    return
            # The stream closed without an end: the server stops, or the longest time of a stream is over.
            received_at = time.monotonic()
        except StreamLost as error:
            _left(until)
            lost(str(error))
        except RequestRefused as refused:
            if refused.reply.status not in _LATER:
                raise
            lost(str(refused.reply.body.get("detail", refused)))
        left = _left(until)
        if time.monotonic() - received_at > patience_s:
            raise ApiUnreachable(f"no stream could be opened for {patience_s:.0f} s")
        chosen = pause * random.uniform(0.5, 1.0)
        time.sleep(chosen if left is None else min(chosen, left))
        pause = min(pause * 2, MOST_PAUSE_S)


def _left(until: float | None) -> float | None:
    """Seconds that are left until `until` (monotonic clock); None without a limit.

    Raises:
        DeadlineExceeded: no time is left.
    """
    if until is None:
        return None
    left = until - time.monotonic()
    if left <= 0:
        raise DeadlineExceeded("the process did not end within the given time")
    return left
