"""Deleting what is older than it has to be kept: ended processes and their events, a few rows a transaction."""

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
_TAKE_THESE: sa.Select[Any] = sa.select(_p.seq, _p.id, _p.correlation_id).where(
    *_IS_OVER, _p.seq.in_(bindparam("only", expanding=True))
)
_DUE: sa.Select[Any] = sa.select(_p.seq, _p.correlation_id).where(*_IS_OVER).order_by(_p.finished_at).limit(PROCESSES)
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


@dataclass(frozen=True, slots=True)
class DueProcess:
    """A process that is to be deleted."""

    seq: int
    correlation_id: str


class Retention:
    """The old rows of one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def purge(self, before: datetime) -> int:
        """Delete some of what ended before `before`, with its events and webhooks; how many rows, 0 for no more.

        A process goes with the last of its events, so that no event outlives its process because of a crash. Two may
        purge at once: each takes processes that the other has not.

        Raises:
            DatabaseUnavailable: the database cannot be reached, or others hold what is needed; nothing is deleted.
        """
        with self._db.write() as connection:
            taken = connection.execute(_TAKE, {"before": before}).all()
            return self._delete(connection, taken)

    def due(self, before: datetime) -> list[DueProcess]:
        """What :meth:`purge` takes next."""
        with self._db.read() as connection:
            return [DueProcess(*row) for row in connection.execute(_DUE, {"before": before})]

    def purge_one(self, process: DueProcess, before: datetime) -> int:
        """Delete one process, or some of its events; how many rows, 0 when it is gone."""
        with self._db.write() as connection:
            taken = connection.execute(_TAKE_THESE, {"before": before, "only": [process.seq]}).all()
            return self._delete(connection, taken)

    @staticmethod
    def _delete(connection: Connection, taken: Sequence[sa.Row[Any]]) -> int:
        if taken:
            events = connection.execute(_DELETE_EVENTS, {"cids": [row.correlation_id for row in taken]}).rowcount
            if events >= EVENTS:
                return events
            deliveries = connection.execute(_DELETE_DELIVERIES, {"ids": [row.id for row in taken]}).rowcount
            processes = connection.execute(_DELETE_PROCESSES, {"seqs": [row.seq for row in taken]}).rowcount
            return events + deliveries + processes
        return 0
