"""Deleting what is older than it has to be kept: ended processes and their events, a few rows a transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from store.database import Database
from store.models import event_log, process_store, webhook_delivery
from store.processes import PENDING
from store.types import Constant, along, marking, taking

#: Rows of one transaction. SQL Server trades row locks for a lock on the whole table at about 5,000.
PROCESSES, EVENTS = 50, 500

_p = process_store.c
_older_events = event_log.alias("old")

# `finished_at < ...` implies the filter of the index; a row that stands on an incident, or whose instance may still
# run, is not over yet.
_IS_OVER = (
    _p.finished_at < bindparam("before"),
    _p.status != Constant(PENDING),
    _p.incident_id.is_(None),
    _p.engine_open == sa.literal(False, literal_execute=True),
)
_TAKE: sa.Select[Any] = (
    taking(sa.select(_p.seq, _p.id, _p.correlation_id), "ix_process_store_finished")
    .where(*_IS_OVER)
    .order_by(_p.finished_at)
    .limit(PROCESSES)
)
_DELETE_EVENTS = sa.delete(event_log).where(
    event_log.c.seq.in_(
        along(sa.select(_older_events.c.seq), "ix_event_log_correlation_id_seq")
        .where(_older_events.c.correlation_id.in_(bindparam("cids", expanding=True)))
        .limit(EVENTS)
    )
)
# A process has one or two.
_DELETE_DELIVERIES = sa.delete(webhook_delivery).where(
    webhook_delivery.c.process_id.in_(bindparam("ids", expanding=True))
)
_DELETE_PROCESSES = marking(sa.delete(process_store).where(_p.seq.in_(bindparam("seqs", expanding=True))))


class Retention:
    """The old rows of one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def purge(self, before: datetime) -> int:
        """Delete some of what ended before `before`, with its events and webhooks; how many rows, 0 for no more.

        A process goes with the last of its events, so that no event outlives its process because of a crash. Two may
        purge at once: each takes processes that the other has not.

        Raises:
            DatabaseAway: the database cannot be reached, or others hold what is needed; nothing is deleted.
        """
        with self._db.write() as connection:
            taken = connection.execute(_TAKE, {"before": before}).all()
            if not taken:
                return 0
            events = connection.execute(_DELETE_EVENTS, {"cids": [row.correlation_id for row in taken]}).rowcount
            if events >= EVENTS:
                return events
            deliveries = connection.execute(_DELETE_DELIVERIES, {"ids": [row.id for row in taken]}).rowcount
            processes = connection.execute(_DELETE_PROCESSES, {"seqs": [row.seq for row in taken]}).rowcount
            return events + deliveries + processes
