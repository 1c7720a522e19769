"""Every statement about `process_store`: accept, claim, record, settle, look up.

A state changes only by an update that names the state it comes from; who finds no such row has lost a race.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from store.clock import now
from store.database import Database, is_unique_violation
from store.events import IS_OPEN_ANSWER
from store.models import event_log, process_store
from store.types import Constant, can_be, given, marking, taking

PENDING, OK, ERROR, CANCELLED = "pending", "ok", "error", "cancelled"
#: ids in one statement; SQL Server takes 2,100 parameters
BATCH = 500
#: How far the order of `started_at` may differ from that of `seq`: clocks of hosts, and writes that had to wait.
CLOCKS_DIFFER = timedelta(minutes=1)

STATUSES = (PENDING, OK, ERROR, CANCELLED)

_p = process_store.c

# Written into the statement: neither database matches a filtered index with a parameter whose value it cannot see.
_IS_PENDING = _p.status == Constant(PENDING)

# Two conditions, each with an index of its own: as one, both databases may read every row that ever failed.
_MAY_RUN = (
    # not `= error`: SQLite may then take the index of all that ever failed
    sa.and_(
        _p.status.not_in([Constant(OK), Constant(CANCELLED)]),
        _p.incident_id.is_not(None),
    ),
    _IS_PENDING,
)


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """One row of `process_store`; times are aware and in UTC."""

    seq: int
    id: uuid.UUID
    correlation_id: str
    request_hash: str
    process_key: str
    process_instance_id: str | None
    status: str
    claim_token: str | None
    claim_until: datetime | None
    engine_open: bool
    variables: dict[str, Any]
    result: Any
    error: dict[str, Any] | None
    incident_id: str | None
    callback_url: str | None
    batch_id: str | None
    traceability_id: str
    application_id: str | None
    identifiers: dict[str, Any] | None
    started_at: datetime
    updated_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewProcess:
    """An accepted start, before it is written."""

    id: uuid.UUID
    correlation_id: str
    request_hash: str
    process_key: str
    variables: dict[str, Any]
    traceability_id: str
    batch_id: str | None = None
    application_id: str | None = None
    callback_url: str | None = None
    identifiers: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process ended: `status` is ok, error or cancelled; `error` holds code, message and details."""

    status: str
    result: Any = None
    error: dict[str, Any] | None = None
    identifiers: dict[str, Any] | None = None
    incident_id: str | None = None
    engine_open: bool = False


_COLUMNS = tuple(process_store.c[item.name] for item in fields(ProcessRow))
_SELECT = sa.select(*_COLUMNS)
_BY_ID = _SELECT.where(_p.id == bindparam("the_id"))
_BY_CORRELATION_ID = _SELECT.where(_p.correlation_id == bindparam("cid"))
_BY_INSTANCE_ID = _SELECT.where(_p.process_instance_id == bindparam("pid")).order_by(_p.seq).limit(1)
_OF_TRACE = sa.select(_p.seq).where(_p.traceability_id == bindparam("tid")).limit(1)
# To check rows by, not to find them by: the index of `started_at` would give a whole span, which had to be sorted.
_started_at = sa.func.coalesce(_p.started_at, _p.started_at)
_FIRST_SINCE = sa.select(_p.seq).where(_p.started_at >= bindparam("moment")).order_by(_p.started_at, _p.seq).limit(1)
_LAST_BEFORE = (
    sa.select(_p.seq).where(_p.started_at < bindparam("moment")).order_by(_p.started_at.desc(), _p.seq.desc()).limit(1)
)
_INSERT = sa.insert(process_store).inline()  # nobody reads the new key: no SELECT scope_identity()
# sa.null() stands in the statement; None would be a parameter, of which pyodbc asks the server what type it has.
_UNCLAIMED = dict.fromkeys(("claim_token", "claim_until"), sa.null())
_NOT_ENDED = dict.fromkeys(("error", "incident_id", "finished_at"), sa.null())
_UNSTARTED = (
    sa.update(process_store)
    .where(_p.id == bindparam("the_id"), _IS_PENDING, _p.process_instance_id.is_(None))
    .values(claim_token=bindparam("token"), claim_until=bindparam("until"), updated_at=bindparam("moment"))
)
_CLAIM_FIRST = _UNSTARTED.where(_p.claim_token.is_(None))
_CLAIM = _UNSTARTED.where(sa.or_(_p.claim_until.is_(None), _p.claim_until < bindparam("moment")))
_RECORD_INSTANCE = (
    sa.update(process_store)
    .where(_p.id == bindparam("the_id"), _p.process_instance_id.is_(None))
    .values(process_instance_id=bindparam("pid"), updated_at=bindparam("moment"), **_UNCLAIMED)
)
_RECORD_INSTANCE_WHILE_PENDING = _RECORD_INSTANCE.where(_IS_PENDING)
_RELEASE_CLAIM = (
    sa.update(process_store)
    .where(_p.id == bindparam("the_id"), _p.claim_token == bindparam("token"))
    .values(updated_at=bindparam("moment"), **_UNCLAIMED)
)
_LEAVE_TO_ADOPT = _RELEASE_CLAIM.values(claim_token=_p.claim_token)
_HAS_OPEN_INCIDENT = sa.and_(_p.status == Constant(ERROR), _p.incident_id.is_not(None))
# Another outcome of the same process that the engine may have accepted before.
_OTHER_ANSWER = sa.exists(
    sa.select(event_log.c.seq).where(
        event_log.c.correlation_id == _p.correlation_id,
        event_log.c.process_instance_id == _p.process_instance_id,
        event_log.c.external_task_id != bindparam("own_task"),
        IS_OPEN_ANSWER,
    )
)


@cache
def _settle(status: str, new: frozenset[str], is_only_answer: bool, by_ops: bool) -> sa.Update:
    """The update that ends a row as `status`, where the row's state allows it.

    One for each combination, of which few occur: a condition on parameters alone, or a parameter that is NULL, has no
    type that SQL Server could tell.

    Args:
        status: the new one.
        new: which of `process_instance_id`, `result`, `error`, `identifiers` and `incident_id` are not None.
        is_only_answer, by_ops: see :meth:`ProcessStore.settle`.
    """
    # An error with an open incident is no end: what the process comes to after a retry may still be written.
    allowed: list[sa.ColumnElement[bool]] = [_IS_PENDING]
    if status == OK and by_ops:
        allowed.append(_p.status == Constant(ERROR))
    elif "incident_id" not in new:
        allowed.append(_HAS_OPEN_INCIDENT)
    where = [_p.id == bindparam("the_id"), sa.or_(*allowed)]
    if is_only_answer:
        where.append(~_OTHER_ANSWER)
    values: dict[str, Any] = {
        name: bindparam(f"new_{name}") if name in new else sa.null() for name in ("result", "error", "incident_id")
    }
    if "identifiers" in new:
        values["identifiers"] = bindparam("new_identifiers")
    if "process_instance_id" in new:
        where.append(_p.process_instance_id == bindparam("new_process_instance_id"))
    moment: sa.BindParameter[datetime] = bindparam("moment")
    values |= {"status": Constant(status), "engine_open": bindparam("new_engine_open")}
    values |= {"finished_at": moment, "updated_at": moment}
    # The claim stays: until it is over, an instance may come of it, which is to be deleted.
    return sa.update(process_store).where(*where).values(values)


class ProcessStore:
    """The process rows of one database.

    Every method raises :class:`store.database.DatabaseUnavailable` when the database cannot be reached.
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def accept(self, new: NewProcess) -> bool:
        """Write a pending row. False when its correlation id exists: the unique key decides, not a read before."""
        moment = now()
        values = {item.name: getattr(new, item.name) for item in fields(new)}
        values |= {"status": PENDING, "engine_open": False, "started_at": moment, "updated_at": moment}
        try:
            with self._db.write_one() as connection:
                connection.execute(_INSERT, given(values))
        except DBAPIError as error:
            if is_unique_violation(error):
                return False
            raise
        return True

    def by_id(self, process_id: uuid.UUID, *, connection: Connection | None = None) -> ProcessRow | None:
        """The row with this id; in a transaction, with `connection`, as that has left it."""
        if connection is not None:
            return _row(connection, _BY_ID, the_id=process_id)
        return self._one(_BY_ID, the_id=process_id)

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
            rows += self._many(_SELECT.where(_p.id.in_(ids[start : start + BATCH])))
        return rows

    def by_instance_ids(self, instance_ids: Iterable[str]) -> list[ProcessRow]:
        """The rows of these root instances."""
        ids = list(instance_ids)
        rows: list[ProcessRow] = []
        for start in range(0, len(ids), BATCH):
            rows += self._many(_SELECT.where(_p.process_instance_id.in_(ids[start : start + BATCH])))
        return rows

    def claim(self, process_id: uuid.UUID, token: str, *, for_s: float) -> tuple[ProcessRow | None, bool]:
        """Claim the right to start this row's instance for `for_s` seconds.

        Returns the row with the claim that it had before, and whether there is one of ours now. A row that had a claim
        before may have an instance that nobody recorded: look for it first.
        """
        moment = now()
        values = {"the_id": process_id, "token": token, "moment": moment, "until": moment + timedelta(seconds=for_s)}
        with self._db.write_one() as connection:
            is_first = connection.execute(_CLAIM_FIRST, values).rowcount == 1
        if is_first and (mine := self.by_id(process_id)) is not None:
            # It may have been ended since, which took the claim away again.
            return replace(mine, claim_token=None, claim_until=None), mine.status == PENDING
        with self._db.write() as connection:
            row = _row(connection, _BY_ID, the_id=process_id)
            if row is None or row.status != PENDING or row.process_instance_id is not None:
                return row, False
            return row, connection.execute(_CLAIM, values).rowcount == 1

    def record_instance(self, process_id: uuid.UUID, process_instance_id: str, *, while_pending: bool = False) -> bool:
        """Write down the instance of a row that has none yet; False when the row has one.

        Whoever learns the instance may write it, whatever became of the claim: the first one is the row's.

        `while_pending`: only if the row has not ended meanwhile.
        """
        statement = _RECORD_INSTANCE_WHILE_PENDING if while_pending else _RECORD_INSTANCE
        with self._db.write_one() as connection:
            values = {"the_id": process_id, "pid": process_instance_id, "moment": now()}
            return connection.execute(statement, values).rowcount == 1

    def release_claim(self, process_id: uuid.UUID, token: str, *, is_first: bool) -> None:
        """Give a claim back: the engine has surely not started anything for it.

        Unless it was the `is_first`, it leaves a mark: what an earlier one started is still to be looked for.
        """
        with self._db.write_one() as connection:
            statement = _RELEASE_CLAIM if is_first else _LEAVE_TO_ADOPT
            connection.execute(statement, {"the_id": process_id, "token": token, "moment": now()})

    def settle(
        self,
        process_id: uuid.UUID,
        ending: Ending,
        *,
        process_instance_id: str | None = None,
        connection: Connection | None = None,
        only_answer_is_of: str | None = None,
        by_ops: bool = False,
    ) -> bool:
        """End the row, if its state allows it. With an instance id: only if it is that row's.

        `only_answer_is_of`: the external task of the response step whose outcome this is; False when another response
        step of the process has an outcome that the engine may have accepted before.

        `by_ops`: a person ends it, who may also declare an error to be none.

        `connection` lets the end be written in one transaction with a step's event.
        """
        new = given(
            {
                "process_instance_id": process_instance_id,
                "result": ending.result,
                "error": ending.error,
                "identifiers": ending.identifiers,
                "incident_id": ending.incident_id,
            }
        )
        statement = _settle(ending.status, frozenset(new), only_answer_is_of is not None, by_ops)
        values = {f"new_{name}": value for name, value in new.items()}
        values |= {"the_id": process_id, "new_engine_open": ending.engine_open, "moment": now()}
        if only_answer_is_of is not None:
            values["own_task"] = only_answer_is_of
        if connection is not None:
            return connection.execute(statement, values).rowcount == 1
        with self._db.write_one() as own:
            return own.execute(statement, values).rowcount == 1

    def reopen(
        self, process_id: uuid.UUID, *, incident_id: str | None = None, connection: Connection | None = None
    ) -> bool:
        """`error` with an open incident back to `pending`: what failed is tried again. An error that is an end stays.

        `incident_id`: only if the row's incident is this one. `connection` lets it be written in one transaction with
        the event that says who wanted it.
        """
        statement = (
            sa.update(process_store)
            .where(_p.id == process_id, _HAS_OPEN_INCIDENT)
            .values(status=Constant(PENDING), updated_at=now(), **_NOT_ENDED)
        )
        if incident_id is not None:
            statement = statement.where(_p.incident_id == incident_id)
        if connection is not None:
            return connection.execute(statement).rowcount == 1
        with self._db.write_one() as own:
            return own.execute(statement).rowcount == 1

    def close_in_engine(self, process_id: uuid.UUID) -> None:
        """The instance of a row that was ended from outside is gone from the engine."""
        with self._db.write_one() as connection:
            connection.execute(
                sa.update(process_store).where(_p.id == process_id).values(engine_open=False, updated_at=now())
            )

    def postpone_close(self, process_id: uuid.UUID) -> None:
        """Look at the other rows of :meth:`open_in_engine` first."""
        with self._db.write_one() as connection:
            connection.execute(sa.update(process_store).where(_p.id == process_id).values(updated_at=now()))

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
        query = narrowed(_SELECT, status, process_key)
        if before_seq is not None:
            query = query.where(_p.seq < before_seq)
        query = query.order_by(_p.seq.desc()).limit(limit)
        with self._db.read() as connection:
            query = query.where(*span_of_keys(connection, started_after, started_before))
            return [ProcessRow(*row) for row in connection.execute(query)]

    def take_unstarted(self, *, untouched_for_s: float, limit: int) -> list[ProcessRow]:
        """Pending rows without an instance that nothing has happened to for a while, oldest first.

        They count as touched from now on, so that of two reconcilers each gets other rows.
        """
        moment = now()
        query = (
            taking(_SELECT, "ix_process_store_unstarted")
            .where(
                _IS_PENDING,
                _p.process_instance_id.is_(None),
                _p.updated_at < moment - timedelta(seconds=untouched_for_s),
                sa.or_(_p.claim_until.is_(None), _p.claim_until < moment),
            )
            .order_by(_p.updated_at)
            .limit(limit)
        )
        with self._db.write() as connection:
            rows = [ProcessRow(*row) for row in connection.execute(query)]
            if rows:
                for start in range(0, len(rows), BATCH):
                    seqs = [row.seq for row in rows[start : start + BATCH]]
                    connection.execute(marking(_touch(seqs)), {"moment": moment})
        return rows

    def release(self, rows: Sequence[ProcessRow]) -> None:
        """Undo :meth:`take_unstarted` for rows that could not be sent: the next round takes them again."""
        with self._db.write() as connection:
            for row in rows:
                connection.execute(_touch([row.seq]), {"moment": row.updated_at})

    def count_unstarted(self) -> int:
        """How many accepted starts have no instance yet."""
        return self._count(_p.process_instance_id.is_(None))

    def count_running(self) -> int:
        """How many rows are pending with an instance."""
        return self._count(_p.process_instance_id.is_not(None))

    def running(self, *, after_seq: int, limit: int) -> list[ProcessRow]:
        """Rows whose instance may run, in order, for the reconciler's round: pending, or standing on an incident."""
        query = _SELECT.where(_p.process_instance_id.is_not(None), _p.seq > after_seq).order_by(_p.seq).limit(limit)
        # by key: a row may change between the two
        found = {row.seq: row for may_run in _MAY_RUN for row in self._many(query.where(may_run))}
        return [found[seq] for seq in sorted(found)[:limit]]

    def with_open_incident(self, *, after_seq: int, limit: int) -> list[ProcessRow]:
        """Rows in `error` with an open incident, in order."""
        query = _SELECT.where(_HAS_OPEN_INCIDENT, _p.process_instance_id.is_not(None), _p.seq > after_seq)
        return self._many(query.order_by(_p.seq).limit(limit))

    def open_in_engine(self, *, limit: int) -> list[ProcessRow]:
        """Rows that were ended from outside while their instance may still run, longest untouched first."""
        return self._many(
            _SELECT.where(_p.engine_open == sa.literal(True, literal_execute=True)).order_by(_p.updated_at).limit(limit)
        )

    def _count(self, condition: sa.ColumnElement[bool]) -> int:
        with self._db.read() as connection:
            query = sa.select(sa.func.count()).select_from(process_store).where(_IS_PENDING, condition)
            return int(connection.execute(query).scalar_one())

    def _one(self, query: sa.Select[Any], **values: Any) -> ProcessRow | None:
        with self._db.read() as connection:
            return _row(connection, query, **values)

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


def _touch(seqs: Sequence[int]) -> sa.Update:
    return (
        sa.update(process_store)
        .where(_p.seq.in_(seqs), _IS_PENDING, _p.process_instance_id.is_(None))
        .values(updated_at=bindparam("moment"))
    )


def _row(connection: Connection, query: sa.Select[Any], **values: Any) -> ProcessRow | None:
    found = connection.execute(query, values).first()
    return None if found is None else ProcessRow(*found)
