"""Converts rows of the event log to stream events: everything that changed in a process since the last read.

An attempt of a step is one row, whose phase changes. Each phase becomes one event. The id of an event is
`<execution id of the attempt>-<phase>`, so it is the same in all web processes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from app.streams.sse import Event
from store.event_rows import COMPLETED, OPEN_PHASES, OPS, STARTED, PhaseRow
from store.process_rows import ProcessRow
from tasks.webhooks.documents import rfc3339

#: rows that one query reads
PAGE = 500
#: age from which no row with a smaller `seq` can appear: a row becomes visible when its transaction commits, which can
#: be after a later row, but no transaction takes this long
SETTLED_AFTER = timedelta(seconds=30)

#: reads the rows after a `seq`; the second argument is how many at most
Read = Callable[[int, int], list[PhaseRow]]


class Feed:
    """The events of one process; returns each event once.

    Args:
        read: reads the rows after a `seq`, in order, one page at most.
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        #: the `seq` up to which all events were returned and no row changes any more
        self._floor = 0
        #: the phase that was returned last, by `seq`
        self._sent: dict[int, str] = {}
        self._attempts: dict[str, list[int]] = {}

    def new_events(self) -> list[Event]:
        """The events since the last call; the first call returns all events so far.

        Raises:
            DatabaseUnavailable: nothing is lost; the next call returns these events.
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
        before = self._sent.get(row.seq)
        if before == row.phase:
            return []
        self._sent[row.seq] = row.phase
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
        """Move the floor past the rows that cannot change, so that a long process is not read again at each event."""
        for row in rows:
            if row.phase in OPEN_PHASES or rows[-1].created_at - row.created_at < SETTLED_AFTER:
                return
            self._floor = row.seq
            self._sent.pop(row.seq, None)


def end_event(row: ProcessRow, links: dict[str, str]) -> Event:
    """The last event of a stream. Its id has the time of the end, so a retried process gets another id."""
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
