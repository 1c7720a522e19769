"""Queries about processes: by id, pages of a list, counts."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.engine import Connection

from store.database import Database
from store.models import process_store
from store.process_rows import CANCELLED, ERROR, OK, PENDING, ProcessRow
from store.types import Constant, can_be

#: ids in one statement; SQL Server takes 2,100 parameters
BATCH = 500
#: How far the order of `started_at` may differ from that of `seq`: clocks of hosts, and writes that had to wait.
CLOCKS_DIFFER = timedelta(minutes=1)

_p = process_store.c

# Written into the statement: neither database matches a filtered index with a parameter whose value it cannot see.
IS_PENDING = _p.status == Constant(PENDING)

# Two conditions, each with an index of its own: as one, both databases may read every row that ever failed.
_MAY_RUN = (
    # not `= error`: SQLite may then take the index of all that ever failed
    sa.and_(
        _p.status.not_in([Constant(OK), Constant(CANCELLED)]),
        _p.incident_id.is_not(None),
    ),
    IS_PENDING,
)


_COLUMNS = tuple(process_store.c[item.name] for item in fields(ProcessRow))
SELECT = sa.select(*_COLUMNS)
BY_ID = SELECT.where(_p.id == bindparam("the_id"))
_BY_CORRELATION_ID = SELECT.where(_p.correlation_id == bindparam("cid"))
_BY_INSTANCE_ID = SELECT.where(_p.process_instance_id == bindparam("pid")).order_by(_p.seq).limit(1)
_OF_TRACE = sa.select(_p.seq).where(_p.traceability_id == bindparam("tid")).limit(1)
# To check rows by, not to find them by: the index of `started_at` would give a whole span, which had to be sorted.
_started_at = sa.func.coalesce(_p.started_at, _p.started_at)
_FIRST_SINCE = sa.select(_p.seq).where(_p.started_at >= bindparam("moment")).order_by(_p.started_at, _p.seq).limit(1)
_LAST_BEFORE = (
    sa.select(_p.seq).where(_p.started_at < bindparam("moment")).order_by(_p.started_at.desc(), _p.seq.desc()).limit(1)
)
HAS_OPEN_INCIDENT = sa.and_(_p.status == Constant(ERROR), _p.incident_id.is_not(None))


class ProcessQueries:
    """Queries about processes: by id, pages of a list, counts."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def by_id(self, process_id: uuid.UUID, *, connection: Connection | None = None) -> ProcessRow | None:
        """The row with this id; in a transaction, with `connection`, as that has left it."""
        if connection is not None:
            return read_row(connection, BY_ID, the_id=process_id)
        return self._one(BY_ID, the_id=process_id)

    def by_correlation_id(self, correlation_id: str) -> ProcessRow | None:
        """The row with exactly this correlation id."""
        return self._one(_BY_CORRELATION_ID, cid=correlation_id) if can_be(correlation_id, _p.correlation_id) else None

    def by_instance_id(self, process_instance_id: str) -> ProcessRow | None:
        """The row whose root instance this is."""
        return self._one(_BY_INSTANCE_ID, pid=process_instance_id)

    def has_traceability_id(self, traceability_id: str) -> bool:
        """True when a process has this traceability id."""
        with self._db.read() as connection:
            return connection.execute(_OF_TRACE, {"tid": traceability_id}).first() is not None

    def by_ids(self, process_ids: Iterable[uuid.UUID]) -> list[ProcessRow]:
        """The rows with these ids, those that exist; asked in batches that SQL Server's 2,100 parameters allow."""
        ids = list(process_ids)
        rows: list[ProcessRow] = []
        for start in range(0, len(ids), BATCH):
            rows += self._many(SELECT.where(_p.id.in_(ids[start : start + BATCH])))
        return rows

    def by_instance_ids(self, instance_ids: Iterable[str]) -> list[ProcessRow]:
        """The rows of these root instances."""
        ids = list(instance_ids)
        rows: list[ProcessRow] = []
        for start in range(0, len(ids), BATCH):
            rows += self._many(SELECT.where(_p.process_instance_id.in_(ids[start : start + BATCH])))
        return rows

    def page(
        self,
        *,
        limit: int,
        before_seq: int | None = None,
        status: str | None = None,
        process_key: str | None = None,
        started_after: datetime | None = None,
        started_before: datetime | None = None,
    ) -> list[ProcessRow]:
        """A page of rows, newest first, older than `before_seq`.

        `started_after` is within the span of time, `started_before` is not: spans can stand side by side. The clocks
        of those who accept starts must be within :data:`CLOCKS_DIFFER` of each other.
        """
        query = narrowed(SELECT, status, process_key)
        if before_seq is not None:
            query = query.where(_p.seq < before_seq)
        query = query.order_by(_p.seq.desc()).limit(limit)
        with self._db.read() as connection:
            query = query.where(*span_of_keys(connection, started_after, started_before))
            return [ProcessRow(*row) for row in connection.execute(query)]

    def count_unstarted(self) -> int:
        """How many accepted starts have no instance yet."""
        return self._count(_p.process_instance_id.is_(None))

    def count_running(self) -> int:
        """How many rows are pending with an instance."""
        return self._count(_p.process_instance_id.is_not(None))

    def running(self, *, after_seq: int, limit: int) -> list[ProcessRow]:
        """Rows whose instance may run, in order, for the reconciler's round: pending, or standing on an incident."""
        query = SELECT.where(_p.process_instance_id.is_not(None), _p.seq > after_seq).order_by(_p.seq).limit(limit)
        # by key: a row may change between the two
        found = {row.seq: row for may_run in _MAY_RUN for row in self._many(query.where(may_run))}
        return [found[seq] for seq in sorted(found)[:limit]]

    def with_open_incident(self, *, after_seq: int, limit: int) -> list[ProcessRow]:
        """Rows in `error` with an open incident, in order."""
        query = SELECT.where(HAS_OPEN_INCIDENT, _p.process_instance_id.is_not(None), _p.seq > after_seq)
        return self._many(query.order_by(_p.seq).limit(limit))

    def open_in_engine(self, *, limit: int) -> list[ProcessRow]:
        """Rows that were ended from outside while their instance may still run, longest untouched first."""
        return self._many(
            SELECT.where(_p.engine_open == sa.literal(True, literal_execute=True)).order_by(_p.updated_at).limit(limit)
        )

    def _count(self, condition: sa.ColumnElement[bool]) -> int:
        with self._db.read() as connection:
            query = sa.select(sa.func.count()).select_from(process_store).where(IS_PENDING, condition)
            return int(connection.execute(query).scalar_one())

    def _one(self, query: sa.Select[Any], **values: Any) -> ProcessRow | None:
        with self._db.read() as connection:
            return read_row(connection, query, **values)

    def _many(self, query: sa.Select[Any]) -> list[ProcessRow]:
        with self._db.read() as connection:
            return [ProcessRow(*row) for row in connection.execute(query)]


def narrowed(query: sa.Select[Any], status: str | None, process_key: str | None) -> sa.Select[Any]:
    """`query` for rows of a status and a process; None for any."""
    if status is not None:
        query = query.where(_p.status == status)
    if process_key is not None:
        query = query.where(_p.process_key == process_key if can_be(process_key, _p.process_key) else sa.false())
    return query


def span_of_keys(
    connection: Connection, started_after: datetime | None, started_before: datetime | None
) -> list[sa.ColumnElement[bool]]:
    """The conditions that a row was started within a span of time, see :meth:`ProcessStore.page`.

    The order of a list stays that of the key, which grows with time. So a span of time is a span of keys: each index
    that ends in the key is read from where the span begins, instead of every row that is newer.
    """
    conditions = []
    if started_after is not None:
        conditions.append(_started_at >= started_after)
        if (last := _neighbour(connection, _LAST_BEFORE, started_after, -CLOCKS_DIFFER)) is not None:
            conditions.append(_p.seq > last)
    if started_before is not None:
        conditions.append(_started_at < started_before)
        if (first := _neighbour(connection, _FIRST_SINCE, started_before, CLOCKS_DIFFER)) is not None:
            conditions.append(_p.seq < first)
    return conditions


def _neighbour(connection: Connection, query: sa.Select[Any], moment: datetime, shift: timedelta) -> int | None:
    """The key of the row next to a span of time; None where there is none, or no such time."""
    try:
        beyond = moment + shift
    except OverflowError:
        return None
    found: int | None = connection.execute(query, {"moment": beyond}).scalar()
    return found


def read_row(connection: Connection, query: sa.Select[Any], **values: Any) -> ProcessRow | None:
    found = connection.execute(query, values).first()
    return None if found is None else ProcessRow(*found)
