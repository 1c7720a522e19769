"""The changes of `process_store`: accept, claim, record the instance, settle.

Every update has the expected state in its condition. An update that changes no row has lost a race against another one.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
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
from store.event_rows import NewEvent
from store.events import insert_event
from store.models import event_log, process_store
from store.new_process import insert_process
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
from store.types import Constant, changing_locked_rows, length_of, locking_rows, truncated, without_nones

_p = process_store.c

# sa.null() is a literal. None would be a parameter, and pyodbc would ask the server for its type.
_UNCLAIMED = dict.fromkeys(("claim_token", "claim_until"), sa.null())
_NOT_ENDED = dict.fromkeys(("error", "error_code", "error_step", "incident_id", "finished_at"), sa.null())
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
# condition: another response step of the process has an outcome that the engine may have accepted before
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
    """The update that ends a row with `status`, if the state of the row allows it.

    There is one statement for each combination of arguments, because SQL Server can't determine the type of a condition
    that has only parameters, or of a parameter that is NULL. Few combinations occur.

    Args:
        status: the new status.
        new: which of `process_instance_id`, `result`, `error`, `error_code`, `error_step`, `identifiers` and
            `incident_id` are not None.
        is_only_answer, by_ops: see :meth:`ProcessStore.settle`.
    """
    # An error with an open incident isn't final: after a retry, another end may be written.
    allowed: list[sa.ColumnElement[bool]] = [IS_PENDING]
    if status == OK and by_ops:
        allowed.append(_p.status == Constant(ERROR))
    elif "incident_id" not in new:
        allowed.append(HAS_OPEN_INCIDENT)
    where = [_p.id == bindparam("the_id"), sa.or_(*allowed)]
    if is_only_answer:
        where.append(~_OTHER_ANSWER)
    values: dict[str, Any] = {
        name: bindparam(f"new_{name}") if name in new else sa.null()
        for name in ("result", "error", "error_code", "error_step", "incident_id")
    }
    if "identifiers" in new:
        values["identifiers"] = bindparam("new_identifiers")
    if "process_instance_id" in new:
        where.append(_p.process_instance_id == bindparam("new_process_instance_id"))
    moment: sa.BindParameter[datetime] = bindparam("moment")
    values |= {"status": Constant(status), "engine_open": bindparam("new_engine_open")}
    values |= {"finished_at": moment, "updated_at": moment}
    # The claim stays, because until it expires an instance may still be started, which must then be deleted.
    return sa.update(process_store).where(*where).values(values)


class ProcessStore(ProcessQueries):
    """The process rows of one database.

    Every method raises :class:`store.errors.DatabaseUnavailable` when the database is unavailable.
    """

    def accept(self, new: NewProcess, events: Sequence[NewEvent] = ()) -> bool:
        """Write a pending row and the identifiers of its start; False when its correlation id exists.

        The unique key decides, without a read before. `events`: written in the same transaction.
        """
        try:
            with (self._db.write if new.searched or events else self._db.write_one)() as connection:
                insert_process(connection, new, now())
                for event in events:
                    insert_event(connection, event)
        except DBAPIError as error:
            if is_unique_violation(error):
                return False
            raise
        return True

    def claim(self, process_id: uuid.UUID, token: str, *, for_s: float) -> tuple[ProcessRow | None, bool]:
        """Claim the right to start the instance of this row for `for_s` seconds.

        Returns the row with its earlier claim, and True when the new claim was written. If the row had an earlier
        claim, an instance may exist that no worker recorded: search for it before starting one.
        """
        moment = now()
        values = {"the_id": process_id, "token": token, "moment": moment, "until": moment + timedelta(seconds=for_s)}
        with self._db.write_one() as connection:
            is_first = connection.execute(_CLAIM_FIRST, values).rowcount == 1
        if is_first and (mine := self.by_id(process_id)) is not None:
            # The row may have ended in between; then there is nothing to start.
            return replace(mine, claim_token=None, claim_until=None), mine.status == PENDING
        with self._db.write() as connection:
            row = read_row(connection, BY_ID, the_id=process_id)
            if row is None or row.status != PENDING or row.process_instance_id is not None:
                return row, False
            return row, connection.execute(_CLAIM, values).rowcount == 1

    def record_instance(self, process_id: uuid.UUID, process_instance_id: str, *, while_pending: bool = False) -> bool:
        """Write the instance of a row; False when the row has one already.

        The first instance that is written is that of the row. The caller doesn't need the claim.

        `while_pending`: write it only if the row hasn't ended.
        """
        statement = _RECORD_INSTANCE_WHILE_PENDING if while_pending else _RECORD_INSTANCE
        with self._db.write_one() as connection:
            values = {"the_id": process_id, "pid": process_instance_id, "moment": now()}
            return connection.execute(statement, values).rowcount == 1

    def release_claim(self, process_id: uuid.UUID, token: str, *, is_first: bool) -> None:
        """Release a claim under which the engine certainly didn't start an instance.

        `is_first`: True when the row had no earlier claim. Otherwise the claim token stays in the row, because an
        instance that was started under an earlier claim must still be searched for.
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
        """End the row if its state allows it; False when it doesn't.

        Args:
            process_instance_id: end the row only if this is its instance.
            connection: a connection in a transaction, so that the end is committed together with the event of a step.
            only_answer_is_of: the external task of the response step whose outcome this is. The row isn't ended if
                another response step of the process has an outcome that the engine may have accepted before.
            by_ops: True when ops end the process; they may also change an error to ok.
        """
        new = without_nones(
            {
                "process_instance_id": process_instance_id,
                "result": ending.result,
                "error": ending.error,
                "error_code": _part(ending.error, "code"),
                "error_step": _part(ending.error, "step"),
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
        """Set a row with an open incident back to `pending`, because the failed step is retried.

        False when the row has no open incident.

        Args:
            incident_id: change the row only if this is its incident.
            connection: a connection in a transaction, so that the change is committed together with the event about it.
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
        """Record that the instance of an ended row no longer runs in the engine."""
        with self._db.write_one() as connection:
            connection.execute(
                sa.update(process_store).where(_p.id == process_id).values(engine_open=False, updated_at=now())
            )

    def postpone_close(self, process_id: uuid.UUID) -> None:
        """Move a row to the end of :meth:`open_in_engine`, so that the other rows come first."""
        with self._db.write_one() as connection:
            connection.execute(sa.update(process_store).where(_p.id == process_id).values(updated_at=now()))

    def claim_unstarted(self, *, untouched_for_s: float, limit: int) -> list[ProcessRow]:
        """Pending rows without an instance that haven't changed for `untouched_for_s` seconds, oldest first.

        It updates the time of their last change, so that two reconcilers get different rows.
        """
        moment = now()
        query = (
            locking_rows(SELECT, "ix_process_store_unstarted")
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
                    connection.execute(changing_locked_rows(_touch(seqs)), {"moment": moment})
        return rows

    def release(self, rows: Sequence[ProcessRow]) -> None:
        """Undo :meth:`claim_unstarted` for rows whose start couldn't be sent, so that the next round gets them."""
        with self._db.write() as connection:
            for row in rows:
                connection.execute(_touch([row.seq]), {"moment": row.updated_at})


def _part(error: Any, name: str) -> str | None:
    """A text or number in the document of an error, as its column holds it."""
    value = error.get(name) if isinstance(error, dict) else None
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return truncated(str(value).strip(), length_of(_p.error_code)).strip() or None


def _touch(seqs: Sequence[int]) -> sa.Update:
    return (
        sa.update(process_store)
        .where(_p.seq.in_(seqs), IS_PENDING, _p.process_instance_id.is_(None))
        .values(updated_at=bindparam("moment"))
    )
