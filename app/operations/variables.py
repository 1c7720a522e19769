"""Read and change the variables of a running process, and the documents about them."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError

from app.operations.ending import already_ended, require_running
from app.operations.suspending import engine_asked
from app.responses.problem import Problem
from app.responses.problem_types import INVALID_FIELDS
from app.security.auth import current_actor
from service import variables
from service.variables import Variable
from store.process_rows import ProcessRow
from telemetry.logs.redaction import shown_error


def variables_document(row: ProcessRow) -> dict[str, Any]:
    """The variables of the process of `row`.

    Raises:
        Problem: it has ended, has no instance yet, or the engine does not answer.
    """
    require_running(row)
    with engine_asked(row):
        found = variables.variables_of(row)
    if found is None:
        raise already_ended(row)
    return {"variables": [_document(variable, row) for variable in found]}


def change_variables(row: ProcessRow, body: dict[str, Any]) -> dict[str, Any]:
    """Change variables of the process of `row`, or check that in a dry run, and return what changes.

    Raises:
        Problem: a value is wrong; it has ended, has no instance yet, or the engine does not answer.
    """
    require_running(row)
    try:
        with engine_asked(row):
            changes = variables.change(row, body["variables"], actor=current_actor(), dry_run=body["dryRun"])
    except ValidationError as error:
        raise Problem(
            INVALID_FIELDS, "errors names each wrong field", errors={"variables": error.messages_dict}
        ) from None
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


def _document(variable: Variable, row: ProcessRow) -> dict[str, Any]:
    # The name decides whether a value is secret, so both are redacted together.
    value = shown_error({variable.name: variable.value}, row.variables)[variable.name]
    return {"name": variable.name, "type": variable.type, "value": value}
