"""Deletes ended processes and their events after the retention time, a few rows in each transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.engine import Connection

from store.database import Database
from store.models import event_log, process_store, webhook_delivery
from store.process_rows import PENDING
from store.types import Constant, changing_locked_rows, locking_rows, using_index

#: Most processes and most events in one transaction. At about 5,000 row locks SQL Server locks the whole table instead.
PROCESSES, EVENTS = 50, 500

_p = process_store.c
_older_events = event_log.alias("old")

# `finished_at < ...` implies the filter of the index. A process with an open incident, or whose instance may still run,
# has not ended for good.
_IS_OVER = (
    _p.finished_at < bindparam("before"),
    _p.status != Constant(PENDING),
    _p.incident_id.is_(None),
    _p.engine_open == sa.literal(False, literal_execute=True),
)
_LOCK_OLDEST: sa.Select[Any] = (
    locking_rows(sa.select(_p.seq, _p.id, _p.correlation_id), "ix_process_store_finished")
    .where(*_IS_OVER)
    .order_by(_p.finished_at)
    .limit(PROCESSES)
)
_LOCK_THESE: sa.Select[Any] = sa.select(_p.seq, _p.id, _p.correlation_id).where(
    *_IS_OVER, _p.seq.in_(bindparam("only", expanding=True))
)
_DUE: sa.Select[Any] = sa.select(_p.seq, _p.correlation_id).where(*_IS_OVER).order_by(_p.finished_at).limit(PROCESSES)
_DELETE_EVENTS = sa.delete(event_log).where(
    event_log.c.seq.in_(
        using_index(sa.select(_older_events.c.seq), "ix_event_log_correlation_id_seq")
        .where(_older_events.c.correlation_id.in_(bindparam("cids", expanding=True)))
        .limit(EVENTS)
    )
)
# Without a limit, because a process has at most one or two deliveries.
_DELETE_DELIVERIES = sa.delete(webhook_delivery).where(
    webhook_delivery.c.process_id.in_(bindparam("ids", expanding=True))
)
_DELETE_PROCESSES = changing_locked_rows(sa.delete(process_store).where(_p.seq.in_(bindparam("seqs", expanding=True))))


@dataclass(frozen=True, slots=True)
class DueProcess:
    """A process whose rows are due for deletion."""

    seq: int
    correlation_id: str


class Retention:
    """Deletes old rows of one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def purge(self, before: datetime) -> int:
        """Delete some processes that ended before `before`, with their events and webhook deliveries.

        The database deletes the identifiers of a process with its row (`ON DELETE CASCADE`).

        Returns the number of deleted rows, identifiers not counted; 0 when there are no more. The process row is
        deleted together with the last of its events, so that a crash leaves no events without a process. Two purges may
        run at the same time: each skips the rows that the other has locked.

        Raises:
            DatabaseUnavailable: the database is unavailable, or a lock wasn't free in time; nothing was deleted.
        """
        with self._db.write() as connection:
            locked = connection.execute(_LOCK_OLDEST, {"before": before}).all()
            return self._delete(connection, locked)

    def due(self, before: datetime) -> list[DueProcess]:
        """The processes that :meth:`purge` deletes next."""
        with self._db.read() as connection:
            return [DueProcess(*row) for row in connection.execute(_DUE, {"before": before})]

    def purge_one(self, process: DueProcess, before: datetime) -> int:
        """Delete one process, or some of its events; returns the number of deleted rows, 0 when it no longer exists."""
        with self._db.write() as connection:
            locked = connection.execute(_LOCK_THESE, {"before": before, "only": [process.seq]}).all()
            return self._delete(connection, locked)

    @staticmethod
    def _delete(connection: Connection, locked: Sequence[sa.Row[Any]]) -> int:
        if locked:
            events = connection.execute(_DELETE_EVENTS, {"cids": [row.correlation_id for row in locked]}).rowcount
            if events >= EVENTS:
                return events
            deliveries = connection.execute(_DELETE_DELIVERIES, {"ids": [row.id for row in locked]}).rowcount
            processes = connection.execute(_DELETE_PROCESSES, {"seqs": [row.seq for row in locked]}).rowcount
            return events + deliveries + processes
        return 0
