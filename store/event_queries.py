"""Queries of `event_log`: the events of a process, the newest attempt, open outcomes."""

from __future__ import annotations

import uuid
from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from store.database import Database
from store.event_rows import BPMN_ERROR, COMPLETING, FAILED, AttemptKey, EventRow, OpenAnswer, PhaseRow
from store.models import event_log
from store.types import Constant, may_exist

_e = event_log.c
#: condition: an outcome of a response step, of which no row shows yet that the engine accepted it
IS_OPEN_ANSWER = sa.and_(_e.phase == Constant(COMPLETING), _e.process_status.is_not(sa.null()))

#: all columns of an :class:`EventRow`
SELECT_ROW = sa.select(*(event_log.c[item.name] for item in fields(EventRow)))
_PHASES: sa.Select[Any] = sa.select(
    *(event_log.c[item.name] for item in fields(PhaseRow) if item.name != "error"),
    sa.case((_e.phase.in_([FAILED, BPMN_ERROR]), _e.business_action_response), else_=None).label("error"),
)


class EventQueries:
    """Queries of `event_log`: the events of a process, the newest attempt, open outcomes."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def by_traceability_id(self, traceability_id: str, *, after_seq: int = 0, limit: int = 1000) -> list[EventRow]:
        """The events with this traceability id, in order, after `after_seq`."""
        if not may_exist(traceability_id, _e.traceability_id):
            return []
        return self._many(
            SELECT_ROW.where(_e.traceability_id == traceability_id, _e.seq > after_seq).order_by(_e.seq).limit(limit)
        )

    def by_correlation_id(self, correlation_id: str, *, limit: int = 1000) -> list[EventRow]:
        """The events with this correlation id, in order."""
        if not may_exist(correlation_id, _e.correlation_id):
            return []
        return self._many(SELECT_ROW.where(_e.correlation_id == correlation_id).order_by(_e.seq).limit(limit))

    def phases_of(self, correlation_id: str, *, after_seq: int = 0, limit: int = 500) -> list[PhaseRow]:
        """The phases of the events of one process, in order, after `after_seq`."""
        if not may_exist(correlation_id, _e.correlation_id):
            return []
        query = _PHASES.where(_e.correlation_id == correlation_id, _e.seq > after_seq).order_by(_e.seq).limit(limit)
        with self._db.read() as connection:
            return [PhaseRow(*row) for row in connection.execute(query)]

    def open_answers(self, correlation_id: str, process_instance_id: str) -> list[OpenAnswer]:
        """The outcomes of response steps of this instance whose acceptance by the engine isn't written yet."""
        query = (
            sa.select(
                _e.seq,
                _e.external_task_id,
                _e.lock_token,
                _e.process_status,
                _e.business_action_response,
                _e.kept_outcome,
                _e.identifiers,
            )
            .where(_e.correlation_id == correlation_id, _e.process_instance_id == process_instance_id, IS_OPEN_ANSWER)
            .order_by(_e.seq)
        )
        with self._db.read() as connection:
            return [
                OpenAnswer(seq, AttemptKey(task, token), status, (kept or {}).get("response", shown), identifiers)
                for seq, task, token, status, shown, kept, identifiers in connection.execute(query)
            ]

    def newest_attempt(self) -> tuple[str, str] | None:
        """Process instance id and external task id of the newest attempt; None when there is none."""
        query = (
            sa.select(_e.process_instance_id, _e.external_task_id)
            .where(_e.external_task_id.is_not(None), _e.process_instance_id.is_not(None))
            .order_by(_e.seq.desc())
            .limit(1)
        )
        with self._db.read() as connection:
            found = connection.execute(query).first()
        return None if found is None else (found[0], found[1])

    def newest_phases_of(self, correlation_id: str, *, limit: int) -> list[PhaseRow]:
        """The phases of the `limit` newest events of one process, in order."""
        if not may_exist(correlation_id, _e.correlation_id):
            return []
        query = _PHASES.where(_e.correlation_id == correlation_id).order_by(_e.seq.desc()).limit(limit)
        with self._db.read() as connection:
            return [PhaseRow(*row) for row in connection.execute(query)][::-1]

    def by_execution_id(self, execution_id: uuid.UUID) -> EventRow | None:
        """The event with this execution id; None when there is none."""
        found = self._many(SELECT_ROW.where(_e.execution_id == execution_id))
        return found[0] if found else None

    def _many(self, query: sa.Select[Any]) -> list[EventRow]:
        with self._db.read() as connection:
            return [EventRow(*row) for row in connection.execute(query)]
