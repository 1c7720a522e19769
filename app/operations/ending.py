"""What ops do to a process: end it (the row first, then the instance), retry what it stands on, send it a message."""

from __future__ import annotations

import logging
from typing import Any

from marshmallow import ValidationError

from app.responses.problem import Problem
from app.responses.problem_types import (
    ALREADY_ENDED,
    ENGINE_AWAY,
    ENGINE_REFUSED,
    INVALID_FIELDS,
    MESSAGE_NOT_CORRELATED,
    NO_INCIDENT,
)
from app.security.auth import current_actor
from app.services import services
from service.catalogue import check_carried
from service.errors import OperationRefused, OperationUnavailable, ProcessNotStarted
from service.messages import correlate_message
from service.operations import end_by_ops
from service.retry import retry_incidents
from store.errors import DatabaseUnavailable
from store.process_rows import CANCELLED, ERROR, OK, PENDING, Ending, ProcessRow

log = logging.getLogger(__name__)


def complete(row: ProcessRow, body: dict[str, Any]) -> ProcessRow:
    """End `row` as `body` says; the row as it is then.

    Raises:
        Problem: it has ended otherwise, data and error do not fit the status, or the engine is away that alone knows
            whether it has ended.
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
    _end(row, ending, "complete")
    now = services().processes.by_id(row.id) or row
    same = now.status == status and (body["data"] is None or now.result == body["data"])
    if not same or (body["error"] is not None and now.error != body["error"]):
        raise _already_ended(now)
    return now


def cancel(row: ProcessRow, reason: str | None) -> ProcessRow:
    """Cancel `row` and have its instance deleted; the row as it is then, also when it was cancelled before.

    Raises:
        Problem: it has ended otherwise (with an open incident it has not), or the engine is away that alone knows
            whether it has ended.
    """
    error = {"code": "CANCELLED", "message": reason or "cancelled through the API"}
    _end(row, Ending(CANCELLED, error=error, engine_open=True), "cancel")
    now = services().processes.by_id(row.id) or row
    if now.status != CANCELLED:
        raise _already_ended(now)
    return now


def send_message(row: ProcessRow, name: str, variables: dict[str, Any]) -> ProcessRow:
    """Deliver a message to `row`; the row as it is then.

    Raises:
        Problem: it has ended, nothing in it waits for the message, a variable is unfit, the engine refuses what the
            process does with it, or the engine is away.
    """
    try:
        check_carried(variables)
    except ValidationError as error:
        raise Problem(INVALID_FIELDS, "see errors", errors={"variables": error.messages_dict}) from None
    if row.status != PENDING and row.incident_id is None:
        raise _already_ended(row)
    try:
        delivered = correlate_message(row, name, variables, actor=current_actor())
    except ProcessNotStarted:
        raise Problem(
            MESSAGE_NOT_CORRELATED,
            "the process has not begun in the engine yet",
            headers={"Retry-After": str(services().settings.retry_after_s)},
            correlationId=row.correlation_id,
        ) from None
    except (OperationUnavailable, OperationRefused) as error:
        raise _engine_said(error, row) from None
    if not delivered:
        raise Problem(
            MESSAGE_NOT_CORRELATED,
            f"no single place in the process waits for {name!r}",
            correlationId=row.correlation_id,
        )
    return _after_engine(row)


def retry(row: ProcessRow) -> ProcessRow:
    """Try the incident of `row` again; the row as it is then.

    Raises:
        Problem: it has no open incident, the engine refuses it, or the engine is away.
    """
    # One that is over is not asked about: its instance may have an incident still, while it is being deleted.
    if row.status != PENDING and row.incident_id is None:
        raise Problem(NO_INCIDENT, f"the process is {row.status}", correlationId=row.correlation_id)
    try:
        # A pending row may have an incident too, that no round of the reconciler has seen yet.
        retried = retry_incidents(row, actor=current_actor())
    except (OperationUnavailable, OperationRefused) as error:
        raise _engine_said(error, row) from None
    now = _after_engine(row)
    if not retried and now.status != PENDING:
        raise Problem(NO_INCIDENT, f"the process is {now.status}", correlationId=row.correlation_id)
    return now


def _end(row: ProcessRow, ending: Ending, step_name: str) -> None:
    try:
        end_by_ops(row, ending, actor=current_actor(), step_name=step_name)
    except OperationUnavailable as error:
        raise _engine_said(error, row) from None


def _engine_said(error: OperationUnavailable | OperationRefused, row: ProcessRow) -> Problem:
    if isinstance(error, OperationRefused):
        return Problem(ENGINE_REFUSED, str(error), correlationId=row.correlation_id)
    return Problem(ENGINE_AWAY, str(error), headers={"Retry-After": str(services().settings.retry_after_s)})


def _after_engine(row: ProcessRow) -> ProcessRow:
    """The row as it is now, or as it was: the engine has done its part, which no store that is away makes undone."""
    try:
        return services().processes.by_id(row.id) or row
    except DatabaseUnavailable as error:
        log.warning("%s is answered as it was before: %s", row.correlation_id, error)
        return row


def _already_ended(row: ProcessRow) -> Problem:
    return Problem(
        ALREADY_ENDED,
        f"the process is {row.status} already",
        correlationId=row.correlation_id,
        currentStatus=row.status,
    )
