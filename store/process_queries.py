"""Queries of `process_store`: by id, pages of a list, counts."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.engine import Connection

from store.database import Database
from store.finding import ANY, NOTHING, Search, Traits, count, find, is_cut
from store.models import process_store
from store.process_rows import CANCELLED, ERROR, OK, PENDING, ProcessRow
from store.types import Constant, may_exist

#: most ids in one statement; SQL Server allows 2,100 parameters
BATCH = 500

_p = process_store.c

# A constant instead of a parameter, because neither database uses a filtered index if it doesn't see the value.
IS_PENDING = _p.status == Constant(PENDING)

# Two conditions for two queries, each with its own index. In one query both databases may read every failed row.
_MAY_RUN = (
    # not `= error`: SQLite may then use the index by status and read all processes that ever failed
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
_RERUNS_OF = (
    sa.select(_p.correlation_id)
    .where(_p.rerun_of == bindparam("cid"), _p.rerun_of.is_not(None))
    .order_by(_p.seq.desc())
    .limit(bindparam("most"))
)
_OF_TRACE = sa.select(_p.seq).where(_p.traceability_id == bindparam("tid")).limit(1)
#: condition: the process has an open incident
HAS_OPEN_INCIDENT = sa.and_(_p.status == Constant(ERROR), _p.incident_id.is_not(None))


class ProcessQueries:
    """Queries of `process_store`: by id, pages of a list, counts."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def by_id(self, process_id: uuid.UUID, *, connection: Connection | None = None) -> ProcessRow | None:
        """The row with this id; `connection`: reads inside this transaction and sees its changes."""
        if connection is not None:
            return read_row(connection, BY_ID, the_id=process_id)
        return self._one(BY_ID, the_id=process_id)

    def by_correlation_id(self, correlation_id: str) -> ProcessRow | None:
        """The row with exactly this correlation id."""
        if not may_exist(correlation_id, _p.correlation_id):
            return None
        return self._one(_BY_CORRELATION_ID, cid=correlation_id)

    def reruns_of(self, correlation_id: str, *, most: int) -> list[str]:
        """The correlation ids of the newest `most` starts that are reruns of this process, newest first."""
        with self._db.read() as connection:
            return list(connection.execute(_RERUNS_OF, {"cid": correlation_id, "most": most}).scalars())

    def by_instance_id(self, process_instance_id: str) -> ProcessRow | None:
        """The row of this root instance."""
        return self._one(_BY_INSTANCE_ID, pid=process_instance_id)

    def has_traceability_id(self, traceability_id: str) -> bool:
        """True when a process has this traceability id."""
        with self._db.read() as connection:
            return connection.execute(_OF_TRACE, {"tid": traceability_id}).first() is not None

    def by_ids(self, process_ids: Iterable[uuid.UUID]) -> list[ProcessRow]:
        """The existing rows with these ids; queried in batches because of the parameter limit of SQL Server."""
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
        search: Search = NOTHING,
        traits: Traits = ANY,
    ) -> list[ProcessRow]:
        """A page of rows older than `before_seq`, newest first.

        `started_after` is inclusive and `started_before` is exclusive, so that spans can follow each other. The clocks
        of the hosts that accept starts must not differ by more than :data:`store.finding.CLOCKS_DIFFER`.
        """
        with self._db.read() as connection:
            query = find(
                connection,
                SELECT,
                search,
                traits if status is None else replace(traits, statuses=(status,)),
                limit=limit,
                before_seq=before_seq,
                process_key=process_key,
                started_after=started_after,
                started_before=started_before,
            )
            return [ProcessRow(*row) for row in connection.execute(query)]

    def count(
        self,
        *,
        most: int,
        search: Search = NOTHING,
        traits: Traits = ANY,
        process_key: str | None = None,
        started_after: datetime | None = None,
        started_before: datetime | None = None,
    ) -> int:
        """How many processes match, at most `most`; see :meth:`page`."""
        with self._db.read() as connection:
            query = find(
                connection,
                sa.select(_p.seq),
                search,
                traits,
                limit=most,
                process_key=process_key,
                started_after=started_after,
                started_before=started_before,
            )
            return count(connection, query)

    def is_cut(self, search: Search) -> bool:
        """True when a search for the beginning of a text may not find everything; see :mod:`store.finding`."""
        if search.is_exact:
            return False
        with self._db.read() as connection:
            return is_cut(connection, search)

    def count_unstarted(self) -> int:
        """How many accepted starts have no instance yet."""
        return self._count(_p.process_instance_id.is_(None))

    def count_running(self, *, started_here: bool = False) -> int:
        """How many rows are pending with an instance; `started_here`: only of those that the facade started."""
        conditions = [_p.process_instance_id.is_not(None)]
        return self._count(*conditions, *([_p.started_by.is_(None)] if started_here else []))

    def running(self, *, after_seq: int, limit: int) -> list[ProcessRow]:
        """Rows whose instance may be running, in order, for a round of the reconciler: pending or with an incident."""
        query = SELECT.where(_p.process_instance_id.is_not(None), _p.seq > after_seq).order_by(_p.seq).limit(limit)
        # by key, because a row may change between the two queries and be in both results
        found = {row.seq: row for may_run in _MAY_RUN for row in self._many(query.where(may_run))}
        return [found[seq] for seq in sorted(found)[:limit]]

    def with_open_incident(self, *, after_seq: int, limit: int) -> list[ProcessRow]:
        """Rows with an open incident, in order."""
        query = SELECT.where(HAS_OPEN_INCIDENT, _p.process_instance_id.is_not(None), _p.seq > after_seq)
        return self._many(query.order_by(_p.seq).limit(limit))

    def open_in_engine(self, *, limit: int) -> list[ProcessRow]:
        """Rows that have ended while their instance may still be running; those changed longest ago first."""
        return self._many(
            SELECT.where(_p.engine_open == sa.literal(True, literal_execute=True)).order_by(_p.updated_at).limit(limit)
        )

    def _count(self, *conditions: sa.ColumnElement[bool]) -> int:
        with self._db.read() as connection:
            query = sa.select(sa.func.count()).select_from(process_store).where(IS_PENDING, *conditions)
            return int(connection.execute(query).scalar_one())

    def _one(self, query: sa.Select[Any], **values: Any) -> ProcessRow | None:
        with self._db.read() as connection:
            return read_row(connection, query, **values)

    def _many(self, query: sa.Select[Any]) -> list[ProcessRow]:
        with self._db.read() as connection:
            return [ProcessRow(*row) for row in connection.execute(query)]


def read_row(connection: Connection, query: sa.Select[Any], **values: Any) -> ProcessRow | None:
    """The first row of `query` with these parameters; None when there is none."""
    found = connection.execute(query, values).first()
    return None if found is None else ProcessRow(*found)
