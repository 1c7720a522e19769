"""Retries or cancels many processes by a filter: a limited number in each call, each as the call for one process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from app.operations.ending import cancel, check_storable, retry
from app.responses import cursors
from app.responses.problem import Problem
from app.responses.problem_types import ENGINE_AWAY
from app.services import services
from service.incidents import GroupKey, keys_of
from store.finding import Traits
from store.process_rows import ERROR, PENDING, ProcessRow
from tasks.webhooks.documents import rfc3339

#: rows that one call checks at most, and rows that one query reads
MOST_ROWS, PAGE = 5_000, 200
#: seconds after which a call begins no further process
MOST_S = 15.0


def retry_many(query: dict[str, Any]) -> dict[str, Any]:
    """Retry the processes that have an open incident and match `query`, and return the answer."""
    check_storable(query["variables"] or {})
    return _each(query, status=ERROR, act=lambda row: retry(row, query["variables"]))


def cancel_many(query: dict[str, Any]) -> dict[str, Any]:
    """Cancel the processes that run, or have an open incident, and match `query`, and return the answer."""
    return _each(query, status=query["status"], act=lambda row: cancel(row, query["reason"]))


def _each(query: dict[str, Any], *, status: str, act: Callable[[ProcessRow], object]) -> dict[str, Any]:
    deadline = time.monotonic() + MOST_S
    items: list[dict[str, Any]] = []
    seq, at_end, stopped = cursors.read(query.get("cursor")), True, None
    for row, key in _rows(query, status, seq):
        if row is None or len(items) == query["limit"] or time.monotonic() > deadline:
            at_end = False
            break
        if _fits(row, key, query):
            try:
                items.append(_item(row, None if query["dryRun"] else act))
            except Problem as problem:
                # The engine is unavailable, so the next processes would fail too. The next call begins with this one.
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


def _rows(
    query: dict[str, Any], status: str, before_seq: int | None
) -> Iterator[tuple[ProcessRow | None, GroupKey | None]]:
    """The rows to check, newest first, each with its group if the query names one.

    It ends with a None if there may be more rows than one call checks.
    """
    if query["correlationIds"] is not None:
        rows = [services().processes.by_correlation_id(name) for name in dict.fromkeys(query["correlationIds"])]
        found = sorted((row for row in rows if row is not None and row.status == status), key=lambda row: -row.seq)
        yield from _with_groups([row for row in found if before_seq is None or row.seq < before_seq], query)
        return
    # Of the errors only those with an incident are looked at.
    traits = Traits(incident=True if status == ERROR else None, failed_step=query.get("step"))
    for _ in range(MOST_ROWS // PAGE):
        page = services().processes.page(
            limit=PAGE,
            before_seq=before_seq,
            status=None if status == ERROR else status,
            process_key=query.get("processKey"),
            started_after=query.get("startedAfter"),
            started_before=query.get("startedBefore"),
            traits=traits,
        )
        yield from _with_groups(page, query)
        if len(page) < PAGE:
            return
        before_seq = page[-1].seq
    yield None, None


def _with_groups(rows: list[ProcessRow], query: dict[str, Any]) -> list[tuple[ProcessRow | None, GroupKey | None]]:
    if query.get("group") is None:
        return [(row, None) for row in rows]
    return list(zip(rows, keys_of(rows), strict=True))


def _fits(row: ProcessRow, key: GroupKey | None, query: dict[str, Any]) -> bool:
    if row.status != PENDING and row.incident_id is None:
        return False
    if query.get("group") is not None and (row.incident_id is None or key is None or key.id != query["group"]):
        return False
    if query.get("processKey") not in (None, row.process_key) or query.get("step") not in (None, _step(row)):
        return False
    return query.get("errorContains") is None or query["errorContains"] in (_message(row) or "")


def _item(row: ProcessRow, act: Callable[[ProcessRow], object] | None) -> dict[str, Any]:
    """Act on one process, and describe the outcome. Without `act` (a dry run) nothing is done.

    Raises:
        Problem: the engine is unavailable.
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


def _step(row: ProcessRow) -> str | None:
    return row.error.get("step") if isinstance(row.error, dict) else None
