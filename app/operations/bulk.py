"""Retry or cancel many processes by a filter: a bounded number a call, each through what serves the call for one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from app.operations.ending import cancel, retry
from app.responses import cursors
from app.responses.problem import Problem
from app.responses.problem_types import ENGINE_AWAY
from app.services import services
from store.process_rows import ERROR, PENDING, ProcessRow
from tasks.webhooks.documents import rfc3339

#: rows that one call looks at, and rows that it reads at once
MOST_ROWS, PAGE = 5_000, 200
#: seconds after which a call begins no other process
MOST_S = 15.0


def retry_many(query: dict[str, Any]) -> dict[str, Any]:
    """Retry what stands on an incident and fits `query`; the answer."""
    return _each(query, status=ERROR, act=retry)


def cancel_many(query: dict[str, Any]) -> dict[str, Any]:
    """Cancel what runs, or stands on an incident, and fits `query`; the answer."""
    return _each(query, status=query["status"], act=lambda row: cancel(row, query["reason"]))


def _each(query: dict[str, Any], *, status: str, act: Callable[[ProcessRow], object]) -> dict[str, Any]:
    deadline = time.monotonic() + MOST_S
    items: list[dict[str, Any]] = []
    seq, at_end, stopped = cursors.read(query.get("cursor")), True, None
    for row in _rows(query, status, seq):
        if row is None or len(items) == query["limit"] or time.monotonic() > deadline:
            at_end = False
            break
        if _fits(row, query):
            try:
                items.append(_item(row, None if query["dryRun"] else act))
            except Problem as problem:
                # Every other would be told the same: this one and those behind it are left for later.
                stopped, at_end = problem.detail, False
                break
        seq = row.seq
    return {
        "dryRun": query["dryRun"],
        "done": sum(item["outcome"] == "done" for item in items),
        "refused": sum(item["outcome"] == "refused" for item in items),
        "processes": items,
        "nextCursor": None if at_end else (query.get("cursor") if seq is None else cursors.write(seq)),
        "stopped": stopped,
    }


def _rows(query: dict[str, Any], status: str, before_seq: int | None) -> Iterator[ProcessRow | None]:
    """The rows to look at, newest first; None when there are more than one call looks at."""
    for _ in range(MOST_ROWS // PAGE):
        page = services().processes.page(
            limit=PAGE,
            before_seq=before_seq,
            status=status,
            process_key=query.get("processKey"),
            started_after=query.get("startedAfter"),
            started_before=query.get("startedBefore"),
        )
        yield from page
        if len(page) < PAGE:
            return
        before_seq = page[-1].seq
    yield None


def _fits(row: ProcessRow, query: dict[str, Any]) -> bool:
    if row.status != PENDING and row.incident_id is None:
        return False
    return query.get("errorContains") is None or query["errorContains"] in (_message(row) or "")


def _item(row: ProcessRow, act: Callable[[ProcessRow], object] | None) -> dict[str, Any]:
    """What becomes of one.

    Raises:
        Problem: the engine is away.
    """
    outcome, detail = "fits", None
    if act is not None:
        try:
            act(row)
            outcome = "done"
        except Problem as problem:
            if problem.kind is ENGINE_AWAY:
                raise
            outcome, detail = "refused", problem.detail
    return {
        "correlationId": row.correlation_id,
        "processKey": row.process_key,
        "startedAt": rfc3339(row.started_at),
        "message": _message(row),
        "outcome": outcome,
        "detail": detail,
    }


def _message(row: ProcessRow) -> str | None:
    message = row.error.get("message") if isinstance(row.error, dict) else None
    return None if message is None else str(message)
