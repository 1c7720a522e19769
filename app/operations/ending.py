"""The operations of ops on one process: end it (first the row, then the instance), retry it, send it a message."""

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
from app.standing_text import awaits_text
from app.views import standing_document
from service.catalogue import check_carried
from service.errors import OperationRefused, OperationUnavailable, ProcessNotStarted
from service.messages import correlate_message
from service.operations import end_by_ops
from service.retry import retry_incidents
from store.errors import DatabaseUnavailable
from store.process_rows import CANCELLED, ERROR, OK, PENDING, Ending, ProcessRow

log = logging.getLogger(__name__)


def complete(row: ProcessRow, body: dict[str, Any]) -> ProcessRow:
    """End the process of `row` with the status, result or error in `body`, and return its current row.

    Raises:
        Problem: it has ended with another result, `data` or `error` does not go with the status, or the engine is
            unavailable, so that it is unknown whether the process has ended.
    """
    status = body["status"]
    if status == OK and body["error"] is not None:
        raise Problem(
            INVALID_FIELDS,
            "errors names each wrong field",
            errors={"error": ["Is allowed with status error only."]},
        )
    if status == ERROR and body["data"] is not None:
        raise Problem(
            INVALID_FIELDS,
            "errors names each wrong field",
            errors={"data": ["Is allowed with status ok only."]},
        )
    error = body["error"]
    if status == ERROR and error is None:
        error = {"code": "COMPLETED_WITH_ERROR", "message": "ended as error through the API"}
    ending = Ending(status, result=body["data"], error=error, engine_open=True)
    _end(row, ending, "complete")
    now = services().processes.by_id(row.id) or row
    same = now.status == status and (body["data"] is None or now.result == body["data"])
    if not same or (body["error"] is not None and now.error != body["error"]):
        raise already_ended(now)
    return now


def cancel(row: ProcessRow, reason: str | None) -> ProcessRow:
    """Cancel the process of `row`, have its instance deleted, and return its current row.

    A process that is already cancelled stays as it is. A process with an open incident has not ended.

    Raises:
        Problem: it has ended with another status, or the engine is unavailable, so that it is unknown whether it has
            ended.
    """
    error = {"code": "CANCELLED", "message": reason or "cancelled through the API"}
    _end(row, Ending(CANCELLED, error=error, engine_open=True), "cancel")
    now = services().processes.by_id(row.id) or row
    if now.status != CANCELLED:
        raise already_ended(now)
    return now


def send_message(row: ProcessRow, name: str, variables: dict[str, Any]) -> ProcessRow:
    """Deliver a message to the process of `row`, and return its current row.

    Raises:
        Problem: it has ended, does not wait for the message, a variable cannot be stored, the engine refuses the
            message, or the engine is unavailable.
    """
    check_storable(variables)
    require_running(row)
    try:
        delivered = correlate_message(row, name, variables, actor=current_actor())
    except ProcessNotStarted:
        raise Problem(
            MESSAGE_NOT_CORRELATED,
            "the process has no instance in the engine yet; send the message again later",
            headers={"Retry-After": str(services().settings.retry_after_s)},
            correlationId=row.correlation_id,
        ) from None
    except (OperationUnavailable, OperationRefused) as error:
        raise engine_problem(error, row.correlation_id) from None
    if not delivered:
        active = standing_document(row)
        raise Problem(
            MESSAGE_NOT_CORRELATED,
            f'not exactly one place in the process waits for the message "{name}"; {awaits_text(active)}',
            correlationId=row.correlation_id,
            active=active,
        )
    return _after_engine(row)


def retry(row: ProcessRow, variables: dict[str, Any] | None = None) -> ProcessRow:
    """Retry the open incidents of the process of `row`, and return its current row.

    `variables`: variables of the instance that are set before; None for none.

    Raises:
        Problem: it has no open incident, a variable cannot be stored, the engine refuses the retry, or the engine is
            unavailable.
    """
    check_storable(variables or {})
    # Do not ask the engine about an ended process: its instance may still have an incident until it is deleted.
    if row.status != PENDING and row.incident_id is None:
        raise Problem(NO_INCIDENT, f"the process is {row.status}", correlationId=row.correlation_id)
    try:
        # The instance of a pending row may have an incident too, which the reconciler has not found yet.
        retried = retry_incidents(row, actor=current_actor(), variables=variables)
    except (OperationUnavailable, OperationRefused) as error:
        raise engine_problem(error, row.correlation_id) from None
    now = _after_engine(row)
    if not retried and now.status != PENDING:
        raise Problem(NO_INCIDENT, f"the process is {now.status}", correlationId=row.correlation_id)
    return now


def check_storable(variables: dict[str, Any]) -> None:
    """Check that the engine can store variables.

    Raises:
        Problem: it cannot store one of them.
    """
    try:
        check_carried(variables)
    except ValidationError as error:
        raise Problem(
            INVALID_FIELDS,
            "errors names each wrong field",
            errors={"variables": error.messages_dict},
        ) from None


def _end(row: ProcessRow, ending: Ending, step_name: str) -> None:
    try:
        end_by_ops(row, ending, actor=current_actor(), step_name=step_name)
    except OperationUnavailable as error:
        raise engine_problem(error, row.correlation_id) from None


def engine_problem(error: OperationUnavailable | OperationRefused, correlation_id: str | None = None) -> Problem:
    """The answer to an operation that the engine did not carry out; `correlation_id`: of its process, if it has one."""
    if isinstance(error, OperationRefused):
        of_process: dict[str, Any] = {} if correlation_id is None else {"correlationId": correlation_id}
        return Problem(ENGINE_REFUSED, str(error), **of_process)
    return Problem(ENGINE_AWAY, str(error), headers={"Retry-After": str(services().settings.retry_after_s)})


def _after_engine(row: ProcessRow) -> ProcessRow:
    """The current row; the row as read before if the database is unavailable, because the engine has done its part."""
    try:
        return services().processes.by_id(row.id) or row
    except DatabaseUnavailable as error:
        log.warning("row of %s not read again, answered as read before: %s", row.correlation_id, error)
        return row


def require_running(row: ProcessRow) -> None:
    """Check that a process has not ended. One with an open incident has not.

    Raises:
        Problem: it has ended.
    """
    if row.status != PENDING and row.incident_id is None:
        raise already_ended(row)


def already_ended(row: ProcessRow) -> Problem:
    """The answer to an operation on a process that has ended."""
    return Problem(
        ALREADY_ENDED,
        f"the process has already ended as {row.status}",
        correlationId=row.correlation_id,
        currentStatus=row.status,
    )
