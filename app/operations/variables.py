"""Read and change the variables of a running process, and the documents about them."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError

from app.operations.ending import already_ended, engine_problem
from app.operations.suspending import not_started
from app.responses.problem import Problem
from app.responses.problem_types import INVALID_FIELDS
from app.security.auth import current_actor
from service import variables
from service.errors import OperationRefused, OperationUnavailable, ProcessNotStarted
from service.variables import Variable
from store.process_rows import PENDING, ProcessRow
from telemetry.logs.redaction import shown_error


def variables_document(row: ProcessRow) -> dict[str, Any]:
    """The variables of the process of `row`.

    Raises:
        Problem: it has ended, has no instance yet, or the engine does not answer.
    """
    _require_running(row)
    try:
        found = variables.variables_of(row)
    except ProcessNotStarted:
        raise not_started(row) from None
    except (OperationUnavailable, OperationRefused) as error:
        raise engine_problem(error, row.correlation_id) from None
    if found is None:
        raise already_ended(row)
    return {"variables": [_document(variable, row) for variable in found]}


def change_variables(row: ProcessRow, body: dict[str, Any]) -> dict[str, Any]:
    """Change variables of the process of `row`, or check that in a dry run, and return what changes.

    Raises:
        Problem: a value is wrong; it has ended, has no instance yet, or the engine does not answer.
    """
    _require_running(row)
    try:
        changes = variables.change(row, body["variables"], actor=current_actor(), dry_run=body["dryRun"])
    except ValidationError as error:
        raise Problem(
            INVALID_FIELDS, "errors names each wrong field", errors={"variables": error.messages_dict}
        ) from None
    except ProcessNotStarted:
        raise not_started(row) from None
    except (OperationUnavailable, OperationRefused) as error:
        raise engine_problem(error, row.correlation_id) from None
    if changes is None:
        raise already_ended(row)
    return {
        "dryRun": body["dryRun"],
        "changes": [
            {
                "name": after.name,
                "before": None if before is None else _document(before, row),
                "after": _document(after, row),
            }
            for before, after in changes
        ],
    }


def _require_running(row: ProcessRow) -> None:
    if row.status != PENDING and row.incident_id is None:
        raise already_ended(row)


def _document(variable: Variable, row: ProcessRow) -> dict[str, Any]:
    # The name decides whether a value is secret, so both are redacted together.
    value = shown_error({variable.name: variable.value}, row.variables)[variable.name]
    return {"name": variable.name, "type": variable.type, "value": value}
