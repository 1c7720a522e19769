"""The changes of `event_log`: one row for each attempt of a step; each phase is written before the act it announces.

Phases of an attempt: `started`; then `completing` (the handler has returned, the outcome isn't reported to the engine
yet); then `completed` or `bpmn-error`; or `failed`. The reconciler may later set `lost` or `outcome-unknown`. Acts of
ops have the phase `ops`.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import fields
from datetime import timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from store.clock import now
from store.driver_errors import is_unique_violation
from store.event_queries import SELECT_ROW, EventQueries
from store.event_rows import (
    BPMN_ERROR,
    COMPLETED,
    FAILED,
    LOST,
    OPEN_PHASES,
    OUTCOME_UNKNOWN,
    STARTED,
    AttemptKey,
    EarlierAttempt,
    EventRow,
    NewEvent,
    Progress,
)
from store.identifiers import NewIdentifiers, add_identifiers
from store.models import event_log
from store.new_process import insert_process
from store.process_rows import NewProcess
from store.retrying import retrying_conflicts
from store.types import (
    Constant,
    changing_locked_rows,
    length_of,
    locking_range,
    locking_rows,
    truncated,
    without_nones,
)

_e = event_log.c

#: phases after which the outcome isn't delivered again: the engine has it, or never will have it
_DELIVERED = frozenset({COMPLETED, BPMN_ERROR, FAILED, OUTCOME_UNKNOWN})

_IS_OPEN = _e.phase.in_([Constant(phase) for phase in OPEN_PHASES])
_INSERT = sa.insert(event_log).inline()  # the new key isn't used, so there is no SELECT scope_identity()
#: column of a text that is only shown -> its longest text, in UTF-16 code units
_SHOWN = {
    name: length_of(event_log.c[name])
    for name in (
        "actor",
        "target_system",
        "originating_system",
        "process_name",
        "step_name",
        "result",
        "http_method",
        "endpoint",
        "last_update_id",
    )
}
_OF_TASK = locking_range(
    sa.select(*(event_log.c[item.name] for item in fields(EarlierAttempt))).where(
        _e.external_task_id == bindparam("new_external_task_id")
    ),
    "uq_event_log_external_task_id_lock_token",
)
_EARLIER = _OF_TASK.order_by(_e.seq)
_AN_ATTEMPT = (_e.external_task_id == bindparam("task"), _e.lock_token == bindparam("token"))
_CLOSE = (
    sa.update(event_log)
    .where(*_AN_ATTEMPT, _IS_OPEN)
    .values({_e.phase: bindparam("new_phase"), _e.updated_at: bindparam("moment")})
)
# The same for outcomes that aren't delivered again. Setting the column to NULL if it is NULL already costs nothing.
_CLOSE_DELIVERED = _CLOSE.values({_e.kept_outcome: sa.null()})
_FORGET_EARLIER = (
    sa.update(event_log)
    .where(_e.external_task_id == bindparam("task"), _e.lock_token != bindparam("token"))
    .values({_e.kept_outcome: sa.null()})
)
_FORGET_OF_INSTANCE = (
    sa.update(event_log)
    .where(
        _e.correlation_id == bindparam("correlation"),
        _e.process_instance_id == bindparam("instance"),
        _e.kept_outcome.is_not(sa.null()),
        sa.not_(_IS_OPEN),
    )
    .values({_e.kept_outcome: sa.null()})
)


class EventStore(EventQueries):
    """The event log of one database.

    Every method raises :class:`store.errors.DatabaseUnavailable` when the database is unavailable.
    """

    def begin(
        self,
        event: NewEvent,
        *,
        confirm: AttemptKey | None = None,
        identifiers: NewIdentifiers | None = None,
        process: NewProcess | None = None,
    ) -> list[EarlierAttempt] | None:
        """Write the row of a new attempt; None when the same attempt has begun before (a duplicate message).

        Returns the earlier attempts of the same external task in the phases they had, oldest first. Open ones become
        `lost`, because the engine has accepted none of them if it gives the task to a new attempt.

        Args:
            confirm: the attempt of the step before, whose completion the engine has accepted. It becomes `completed`
                in the same transaction.
            identifiers: what is to be found by the input of the step, written in the same transaction.
            process: the row of its process, if it has none yet, written in the same transaction. None is also returned
                when a row has its id or its correlation id.
        """
        try:
            # Retried here, because otherwise the task could be fetched again only after its lock has expired.
            return retrying_conflicts(lambda: self._begin(event, confirm, identifiers, process))
        except DBAPIError as error:
            if is_unique_violation(error):
                return None
            raise

    def _begin(
        self,
        event: NewEvent,
        confirm: AttemptKey | None,
        identifiers: NewIdentifiers | None,
        process: NewProcess | None,
    ) -> list[EarlierAttempt]:
        values = _values(event)
        new = {f"new_{name}": value for name, value in values.items()}
        with (self._db.write if confirm or identifiers or process else self._db.write_one)() as connection:
            is_first = connection.execute(_insert_first(frozenset(values)), new).rowcount == 1
            if is_first and confirm is not None:
                close(connection, confirm, COMPLETED)
            if is_first and process is not None:
                insert_process(connection, process, now())
            if is_first and identifiers is not None:
                add_identifiers(connection, identifiers)
        if is_first:
            return []
        with self._db.write() as connection:
            found = connection.execute(_EARLIER, {"new_external_task_id": event.external_task_id})
            earlier = [EarlierAttempt(*row) for row in found]
            connection.execute(_INSERT, values)
            for attempt in earlier:
                if attempt.phase in OPEN_PHASES:
                    close(connection, AttemptKey(event.external_task_id or "", attempt.lock_token), LOST)
            if confirm is not None:
                close(connection, confirm, COMPLETED)
            if process is not None:
                insert_process(connection, process, now())
            if identifiers is not None:
                add_identifiers(connection, identifiers)
        return earlier

    def progress(
        self,
        attempt: AttemptKey,
        progress: Progress,
        *,
        only_from_started: bool = False,
        identifiers: NewIdentifiers | None = None,
    ) -> bool:
        """Write a change of an open attempt; False when the attempt isn't open any more.

        Args:
            only_from_started: change only an attempt in phase `started`; in `completing` the engine may have the
                outcome.
            identifiers: what is to be found by the output of the step, written in the same transaction.
        """
        with (self._db.write if identifiers else self._db.write_one)() as connection:
            done = _advance(connection, attempt, progress, only_from_started=only_from_started)
            if done and identifiers is not None:
                add_identifiers(connection, identifiers)
            return done

    def take_over(self, attempt: AttemptKey, progress: Progress, *, identifiers: NewIdentifiers | None = None) -> bool:
        """Write a change of an attempt that delivers the outcome of an earlier one, and delete the earlier copies.

        `identifiers`: see :meth:`progress`.
        """
        with self._db.write() as connection:
            done = _advance(connection, attempt, progress)
            if done:
                connection.execute(_FORGET_EARLIER, {"task": attempt.external_task_id, "token": attempt.lock_token})
            if done and identifiers is not None:
                add_identifiers(connection, identifiers)
            return done

    def close(self, attempt: AttemptKey, phase: str) -> bool:
        """Set the last phase of an open attempt; False when the attempt isn't open any more."""
        with self._db.write_one() as connection:
            return close(connection, attempt, phase)

    def forget_outcomes(self, correlation_id: str, process_instance_id: str) -> None:
        """Delete the kept outcomes of closed attempts of an instance that has ended: they aren't needed any more."""
        with self._db.write_one() as connection:
            connection.execute(_FORGET_OF_INSTANCE, {"correlation": correlation_id, "instance": process_instance_id})

    def record(self, event: NewEvent, *, connection: Connection | None = None) -> None:
        """Write an event that isn't an attempt of a step.

        `connection`: a connection in a transaction, so that the event is committed together with the change it records.
        """
        if connection is not None:
            insert_event(connection, event)
            return
        with self._db.write_one() as own:
            insert_event(own, event)

    def claim_open_attempts(self, *, untouched_for_s: float, limit: int) -> list[EventRow]:
        """Open attempts whose rows haven't changed for `untouched_for_s` seconds, oldest first.

        It updates the time of their last change, so that two reconcilers get different attempts.
        """
        moment = now()
        query = (
            locking_rows(SELECT_ROW, "ix_event_log_open")
            .where(_IS_OPEN, _e.updated_at < moment - timedelta(seconds=untouched_for_s))
            .order_by(_e.updated_at)
            .limit(limit)
        )
        with self._db.write() as connection:
            rows = [EventRow(*row) for row in connection.execute(query)]
            if rows:
                connection.execute(changing_locked_rows(_touch([row.seq for row in rows])), {"moment": moment})
        return rows

    def release(self, rows: Sequence[EventRow]) -> None:
        """Undo :meth:`claim_open_attempts` for attempts that couldn't be handled, so that the next round gets them."""
        with self._db.write() as connection:
            for row in rows:
                connection.execute(_touch([row.seq]), {"moment": row.updated_at})


def insert_event(connection: Connection, event: NewEvent) -> None:
    """As :meth:`EventStore.record`, inside a transaction of the caller."""
    connection.execute(_INSERT, _values(event))


def close(connection: Connection, attempt: AttemptKey, phase: str) -> bool:
    """As :meth:`EventStore.close`, inside a transaction of the caller."""
    done = connection.execute(
        _CLOSE_DELIVERED if phase in _DELIVERED else _CLOSE,
        {"task": attempt.external_task_id, "token": attempt.lock_token, "new_phase": phase, "moment": now()},
    )
    return done.rowcount == 1


def _advance(
    connection: Connection, attempt: AttemptKey, progress: Progress, *, only_from_started: bool = False
) -> bool:
    new = without_nones({item.name: getattr(progress, item.name) for item in fields(progress)})
    values = {f"new_{name}": value for name, value in _cut(new).items()}
    values |= {"task": attempt.external_task_id, "token": attempt.lock_token, "moment": now()}
    return connection.execute(_progress(frozenset(new), only_from_started), values).rowcount == 1


@cache
def _progress(new: frozenset[str], only_from_started: bool) -> sa.Update:
    """The update that writes the values of a :class:`Progress` whose names are in `new`, and NULL for the others."""
    phases = (_e.phase == Constant(STARTED),) if only_from_started else ()
    values = {item.name: bindparam(f"new_{item.name}") if item.name in new else sa.null() for item in fields(Progress)}
    return (
        sa.update(event_log)
        .where(*_AN_ATTEMPT, _IS_OPEN, *phases)
        .values({_e[name]: value for name, value in values.items()} | {_e.updated_at: bindparam("moment")})
    )


@cache
def _insert_first(names: frozenset[str]) -> sa.Insert:
    """The insert of an attempt, which inserts nothing if its external task has an attempt already."""
    ordered = sorted(names)
    values = sa.select(*(bindparam(f"new_{name}", type_=event_log.c[name].type) for name in ordered))
    is_first = ~sa.exists(_OF_TASK.with_only_columns(_e.seq))
    return sa.insert(event_log).inline().from_select(ordered, values.where(is_first))


def _touch(seqs: Sequence[int]) -> sa.Update:
    return sa.update(event_log).where(_e.seq.in_(seqs), _IS_OPEN).values({_e.updated_at: bindparam("moment")})


def _values(event: NewEvent) -> dict[str, Any]:
    moment = now()
    values = _cut(without_nones({item.name: getattr(event, item.name) for item in fields(event)}))
    execution_id = event.execution_id or uuid.uuid4()
    return values | {"execution_id": execution_id, "created_at": moment, "updated_at": moment}


def _cut(values: dict[str, Any]) -> dict[str, Any]:
    # On SQL Server a text that is too long is an error, which would happen again in each attempt.
    return {name: truncated(value, _SHOWN[name]) if name in _SHOWN else value for name, value in values.items()}
