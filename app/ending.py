"""What ops do to a process: end it from outside (the row first, then the instance), or retry what it stands on."""

from __future__ import annotations

from typing import Any

from app.auth import current_actor
from app.problems import ALREADY_ENDED, ENGINE_AWAY, INVALID_FIELDS, NO_INCIDENT, Problem
from app.services import services
from store.processes import ERROR, OK, PENDING, Ending, ProcessRow
from tasks.ending import end_from_outside
from tasks.retry import EngineUnavailable, retry_incidents


def complete(row: ProcessRow, body: dict[str, Any]) -> ProcessRow:
    """End `row` as `body` says; the row as it is then.

    Raises:
        Problem: it has ended otherwise, or data and error do not fit the status.
    """
    status = body["status"]
    if status == OK and body["error"] is not None:
        raise Problem(INVALID_FIELDS, "see errors", errors={"error": ["Goes with status error only."]})
    if status == ERROR and body["data"] is not None:
        raise Problem(INVALID_FIELDS, "see errors", errors={"data": ["Goes with status ok only."]})
    error = body["error"]
    if status == ERROR and error is None:
        error = {"code": "COMPLETED_WITH_ERROR", "message": "ended from outside"}
    ending = Ending(status, result=body["data"], error=error, engine_open=True)
    end_from_outside(row, ending)
    now = services().processes.by_id(row.id) or row
    same = now.status == status and (body["data"] is None or now.result == body["data"])
    if not same or (body["error"] is not None and now.error != body["error"]):
        raise Problem(
            ALREADY_ENDED,
            f"the process is {now.status} already",
            correlationId=row.correlation_id,
            currentStatus=now.status,
        )
    return now


def retry(row: ProcessRow) -> ProcessRow:
    """Try the incident of `row` again; the row as it is then.

    Raises:
        Problem: it stands on none, or the engine is away.
    """
    try:
        # A pending row may have an incident too, that no round of the reconciler has seen yet.
        retried = retry_incidents(row, actor=current_actor())
    except EngineUnavailable as error:
        headers = {"Retry-After": str(services().settings.retry_after_s)}
        raise Problem(ENGINE_AWAY, str(error), headers=headers) from None
    if not retried and row.status != PENDING:
        raise Problem(NO_INCIDENT, f"the process is {row.status}", correlationId=row.correlation_id)
    return services().processes.by_id(row.id) or row
