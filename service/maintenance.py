"""Begin and end maintenance, for the facade: a change is written to the store, then published in Redis.

During maintenance no step and no process begins. What runs goes on: running steps end, timers of the engine fire, and
webhooks are delivered.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import datetime
from typing import Any

from store.clock import now
from store.errors import DatabaseUnavailable
from store.event_rows import OPS, NewEvent
from store.maintenance import REFUSE, Maintenance, MaintenanceStore
from tasks.broker.start_throttle import pause_starts, resume_starts
from tasks.runtime import runtime
from tasks.topics.controls import refresh

log = logging.getLogger(__name__)

#: seconds for which one process trusts what it last read
LIFETIME_S = 1.0
#: seconds after which a refused client is told to try again, if ops gave no time
RETRY_AFTER_S = 60
_TRACEABILITY_ID = "maintenance"


class MaintenanceWatch:
    """Whether the service is in maintenance, read at most once a second by all threads of a process together."""

    def __init__(self, store: MaintenanceStore) -> None:
        self._store = store
        self._known: Maintenance | None = None
        self._read_at = float("-inf")
        self._lock = threading.Lock()

    def current(self) -> Maintenance | None:
        """The maintenance that holds; None if the service is not in maintenance.

        Raises:
            DatabaseUnavailable: it is unknown.
        """
        with self._lock:
            if time.monotonic() - self._read_at > LIFETIME_S:
                self._known = self._store.current()
                self._read_at = time.monotonic()
            return self._known

    def shown(self) -> Maintenance | None:
        """As :meth:`current`; while the database is unavailable, what was read last: an answer does not fail for it."""
        try:
            return self.current()
        except DatabaseUnavailable:
            return self._known


def refuses_starts(found: Maintenance | None) -> bool:
    """True while new starts are refused; False while they are accepted, also if they are held."""
    return found is not None and found.starts == REFUSE


def retry_after_s(found: Maintenance) -> int:
    """Seconds after which a refused client may try again: when ops expect the end, if they said so."""
    left = 0.0 if found.until is None else (found.until - now()).total_seconds()
    return round(left) if left >= 1 else RETRY_AFTER_S


def begin(reason: str, *, starts: str, until: datetime | None, actor: str) -> None:
    """Begin maintenance, or change reason, starts and time of the one that holds.

    It returns when every process knows: no step and no process begins any more.

    Args:
        reason: why; clients and ops read it.
        starts: `refuse` or `hold` new starts.
        until: when the end is expected; None if that is not known.
        actor: the name of the caller, for the event.

    Raises:
        DatabaseUnavailable: nothing was changed.
    """
    metadata = {"reason": reason, "starts": starts, "until": None if until is None else until.isoformat()}
    event = _event("maintenance on", "maintenance began, or was changed", actor, metadata)
    runtime().maintenance.begin(reason, starts, until, event)
    pause_starts(f"maintenance: {reason}")
    _publish()


def end(*, actor: str) -> bool:
    """End maintenance; False when it does not hold. Held starts begin within seconds.

    Raises:
        DatabaseUnavailable: nothing was changed.
    """
    if not runtime().maintenance.end(_event("maintenance off", "maintenance ended", actor, {})):
        return False
    resume_starts()
    _publish()
    return True


def _publish() -> None:
    try:
        refresh()
    except DatabaseUnavailable as error:
        log.info("maintenance not published, the next poll publishes it: %s", error)
    # What another process has read before the change, it trusts that long.
    time.sleep(LIFETIME_S)


def _event(step_name: str, result: str, actor: str, metadata: dict[str, Any]) -> NewEvent:
    # The event is of no process: GET /event-log/maintenance finds it.
    return NewEvent(
        traceability_id=_TRACEABILITY_ID,
        phase=OPS,
        actor=actor,
        step_name=step_name,
        result=result,
        metadata=metadata,
    )
