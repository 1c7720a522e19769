"""Delete processes that ended more than RETENTION_DAYS ago: in small transactions, for a bounded time each tick."""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from store.clock import now
from store.retention import Retention
from tasks import app
from tasks.beat.rounds import UNAVAILABLE, isolated_part, process_rows
from tasks.beat.ticks import is_first_tick
from tasks.runtime import runtime

log = logging.getLogger(__name__)

#: seconds that one tick may take, since it occupies a slot of the settling queue
BUDGET_S = 10.0
#: seconds between two transactions, in which others may run
PAUSE_S = 0.02


@app.task(name="purge", send_events=False)
def purge() -> None:
    """One tick; none when RETENTION_DAYS is 0."""
    settings = runtime().settings
    if settings.retention_days and is_first_tick("purge", settings.purge_interval_ms):
        purge_old(settings.retention_days)


def purge_old(days: int, *, budget_s: float = BUDGET_S) -> int:
    """Delete what ended more than `days` days ago, for at most `budget_s` seconds; the number of deleted rows."""
    retention = Retention(runtime().database)
    before = now() - timedelta(days=days)
    deadline = time.monotonic() + budget_s
    deleted = 0
    with isolated_part("purge"):
        try:
            while time.monotonic() < deadline and (rows := retention.purge(before)):
                deleted += rows
                time.sleep(PAUSE_S)
        except UNAVAILABLE:
            raise
        except Exception as error:
            # One row of the batch cannot be deleted. The others are deleted, each in its own transaction.
            log.warning("purge incomplete: a batch cannot be deleted, each row is deleted alone: %s", error)
            process_rows(
                "purge",
                retention.due(before),
                lambda due: retention.purge_one(due, before),
                key=lambda due: str(due.seq),
            )
    if deleted:
        log.info("purged %d rows that ended more than %d days ago", deleted, days)
    return deleted
