"""Every change of `process_store`: accept, claim, record, settle.

A state changes only by an update that names the state it comes from; who finds no such row has lost a race.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from store.clock import now
from store.driver_errors import is_unique_violation
from store.event_queries import IS_OPEN_ANSWER
from store.models import event_log, process_store
from store.process_queries import (
    BATCH,
    BY_ID,
    HAS_OPEN_INCIDENT,
    IS_PENDING,
    SELECT,
    ProcessQueries,
    read_row,
)
from store.process_rows import ERROR, OK, PENDING, Ending, NewProcess, ProcessRow
from store.types import Constant, given, marking, taking

_p = process_store.c

_INSERT = sa.insert(process_store).inline()  # nobody reads the new key: no SELECT scope_identity()
# sa.null() stands in the statement; None would be a parameter, of which pyodbc asks the server what type it has.
_UNCLAIMED = dict.fromkeys(("claim_token", "claim_until"), sa.null())
_NOT_ENDED = dict.fromkeys(("error", "incident_id", "finished_at"), sa.null())
_UNSTARTED = (
    sa.update(process_store)
    .where(_p.id == bindparam("the_id"), IS_PENDING, _p.process_instance_id.is_(None))
    .values(claim_token=bindparam("token"), claim_until=bindparam("until"), updated_at=bindparam("moment"))
)
_CLAIM_FIRST = _UNSTARTED.where(_p.claim_token.is_(None))
_CLAIM = _UNSTARTED.where(sa.or_(_p.claim_until.is_(None), _p.claim_until < bindparam("moment")))
_RECORD_INSTANCE = (
    sa.update(process_store)
    .where(_p.id == bindparam("the_id"), _p.process_instance_id.is_(None))
    .values(process_instance_id=bindparam("pid"), updated_at=bindparam("moment"), **_UNCLAIMED)
)
_RECORD_INSTANCE_WHILE_PENDING = _RECORD_INSTANCE.where(IS_PENDING)
_RELEASE_CLAIM = (
    sa.update(process_store)
    .where(_p.id == bindparam("the_id"), _p.claim_token == bindparam("token"))
    .values(updated_at=bindparam("moment"), **_UNCLAIMED)
)
_LEAVE_TO_ADOPT = _RELEASE_CLAIM.values(claim_token=_p.claim_token)
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
    allowed: list[sa.ColumnElement[bool]] = [IS_PENDING]
    if status == OK and by_ops:
        allowed.append(_p.status == Constant(ERROR))
    elif "incident_id" not in new:
        allowed.append(HAS_OPEN_INCIDENT)
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


class ProcessStore(ProcessQueries):
    """The process rows of one database.

    Every method raises :class:`store.database.DatabaseUnavailable` when the database cannot be reached.
    """

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
            row = read_row(connection, BY_ID, the_id=process_id)
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
            .where(_p.id == process_id, HAS_OPEN_INCIDENT)
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

    def claim_unstarted(self, *, untouched_for_s: float, limit: int) -> list[ProcessRow]:
        """Pending rows without an instance that nothing has happened to for a while, oldest first.

        They count as touched from now on, so that of two reconcilers each gets other rows.
        """
        moment = now()
        query = (
            taking(SELECT, "ix_process_store_unstarted")
            .where(
                IS_PENDING,
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
        """Undo :meth:`claim_unstarted` for rows that could not be sent: the next round takes them again."""
        with self._db.write() as connection:
            for row in rows:
                connection.execute(_touch([row.seq]), {"moment": row.updated_at})


def _touch(seqs: Sequence[int]) -> sa.Update:
    return (
        sa.update(process_store)
        .where(_p.seq.in_(seqs), IS_PENDING, _p.process_instance_id.is_(None))
        .values(updated_at=bindparam("moment"))
    )
