"""From rows to events: what has happened in a process since the last look.

An attempt of a step is one row of the event log that moves from phase to phase; here each of its phases becomes an
event, once. The id of an event is `<execution id of the attempt>-<phase>`: the same whichever web process sends it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from app.streams.sse import Event
from store.event_rows import COMPLETED, OPEN_PHASES, OPS, STARTED, PhaseRow
from store.process_rows import ProcessRow
from tasks.webhooks.documents import rfc3339

#: rows that one statement reads
PAGE = 500
#: A row may become visible after one with a greater number, but not later than the longest transaction takes.
SETTLED_AFTER = timedelta(seconds=30)

#: reads rows after a number, at most so many
Read = Callable[[int, int], list[PhaseRow]]


class Feed:
    """The events of one process, each given out once.

    Args:
        read: gives the rows after a `seq`, in order, at most a page of them.
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        #: everything up to here is told and does not change any more
        self._floor = 0
        self._told: dict[int, str] = {}
        self._attempts: dict[str, list[int]] = {}

    def news(self) -> list[Event]:
        """What has happened since the last call; at the first one, everything so far.

        Raises:
            DatabaseUnavailable: the next call tells it.
        """
        rows = self._rows()
        found = [event for row in rows for event in self._events_of(row)]
        self._advance(rows)
        return found

    def _rows(self) -> list[PhaseRow]:
        rows: list[PhaseRow] = []
        while True:
            page = self._read(rows[-1].seq if rows else self._floor, PAGE)
            rows += page
            if len(page) < PAGE:
                return rows

    def _events_of(self, row: PhaseRow) -> list[Event]:
        before = self._told.get(row.seq)
        if before == row.phase:
            return []
        self._told[row.seq] = row.phase
        if row.phase == OPS:
            return [Event(f"{row.execution_id}-{OPS}", "ops", _ops(row))]
        attempt = self._attempt(row)
        found = [] if before else [_event(row, "started", STARTED, row.created_at, attempt)]
        if row.phase not in OPEN_PHASES:
            name = "completed" if row.phase == COMPLETED else "failed"
            found.append(_event(row, name, row.phase, row.updated_at, attempt))
        return found

    def _attempt(self, row: PhaseRow) -> int:
        attempts = self._attempts.setdefault(row.external_task_id or "", [])
        if row.seq not in attempts:
            attempts.append(row.seq)
        return attempts.index(row.seq) + 1

    def _advance(self, rows: list[PhaseRow]) -> None:
        """Read no more what is over for long: a process of a thousand steps is not read anew at each of them."""
        for row in rows:
            if row.phase in OPEN_PHASES or rows[-1].created_at - row.created_at < SETTLED_AFTER:
                return
            self._floor = row.seq
            self._told.pop(row.seq, None)


def end_event(row: ProcessRow, links: dict[str, str]) -> Event:
    """The last event of a stream. A process that is retried and ends again has another id then."""
    moment = row.finished_at or row.updated_at
    data = {
        "status": row.status,
        "correlationId": row.correlation_id,
        "processInstanceId": row.process_instance_id,
        "traceabilityId": row.traceability_id,
        "error": row.error,
        "incidentId": row.incident_id,
        "finishedAt": rfc3339(moment),
        "links": links,
    }
    return Event(f"end-{row.status}-{int(moment.timestamp() * 1000)}", "end", data)


def _event(row: PhaseRow, name: str, phase: str, moment: datetime, attempt: int) -> Event:
    data: dict[str, Any] = {
        "stepName": row.step_name,
        "step": row.step,
        "attempt": attempt,
        "phase": phase,
        "at": rfc3339(moment),
        "executionId": str(row.execution_id),
    }
    if name != "started":
        data |= {
            "executionTime": row.execution_time,
            "httpStatusCode": row.http_status_code,
            "result": row.result,
            "error": row.error,
        }
    return Event(f"{row.execution_id}-{phase}", name, data)


def _ops(row: PhaseRow) -> dict[str, Any]:
    return {
        "stepName": row.step_name,
        "phase": OPS,
        "actor": row.actor,
        "result": row.result,
        "at": rfc3339(row.created_at),
        "executionId": str(row.execution_id),
    }
