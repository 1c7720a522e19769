"""Reruns: an ended process starts again as a new one, with the same or an edited input."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from flask import Response
from marshmallow import ValidationError

from app.responses.answers import answer
from app.responses.problem import Problem
from app.responses.problem_types import INVALID_FIELDS, STILL_RUNS
from app.security.auth import current_actor
from app.services import services
from app.starts.callbacks import check_callback
from app.starts.requested import chosen_id, known_process, request_hash
from app.starts.start import Preference
from service.catalogue import check_variables
from store.event_rows import NewEvent
from store.identifiers import as_texts
from store.process_rows import ENGINE, PENDING, NewProcess, ProcessRow
from tasks.settling.settle import ops_event
from tasks.webhooks.urls import shown as shown_url
from telemetry.logs.redaction import REDACTED, shown, shown_error

STEP_NAME = "rerun"


def rerun(
    row: ProcessRow, body: dict[str, Any], labels: dict[str, str], preferred: Preference | None = None
) -> Response:
    """Start the process of `row` again as a new one, and answer as a start; with `dryRun` only show what would start.

    Args:
        row: the ended process.
        body, labels: the body and the headers of the request, see :mod:`app.schemas.reruns`. What they leave out is
            taken from the first start.
        preferred: how long to wait for the end of the new process; None for what the request prefers.

    Raises:
        Problem: the process has not ended, the input is not valid, the new correlation id belongs to another start; or
            as for a start.
    """
    if row.status != PENDING and row.engine_open:
        raise _still_runs(row, f"the process is {row.status}, but its instance has not ended in the engine yet")
    if row.status == PENDING or row.incident_id is not None:
        raise _still_runs(row, f"the process is {row.status}" + (" with an open incident" if row.incident_id else ""))
    new = _new_process(row, body, labels)
    changed = sorted(
        name
        for name in {*row.variables, *new.variables}
        if name not in row.variables or name not in new.variables or row.variables[name] != new.variables[name]
    )
    if body["dryRun"]:
        return answer({"dryRun": True, "wouldStart": _document(new, changed, chosen_id(body, labels))}, 200)
    return services().starter.accept(new, preferred, _events(row, new, changed))


def _new_process(row: ProcessRow, body: dict[str, Any], labels: dict[str, str]) -> NewProcess:
    process = known_process(row.process_key)
    if row.started_by == ENGINE and body["variables"] is None:
        why = "Required: others started the process in the engine, so its input is not stored."
        raise Problem(INVALID_FIELDS, "errors names each wrong field", errors={"variables": [why]})
    variables = row.variables if body["variables"] is None else with_stored(body["variables"], row.variables)
    try:
        check_variables(process, variables)
    except ValidationError as error:
        detail = "errors names each wrong field"
        if body["variables"] is None:
            detail = f"the stored input of the process is not valid any more: send an edited one; {detail}"
        raise Problem(INVALID_FIELDS, detail, errors={"variables": error.messages_dict}) from None
    callback_url = body.get("callbackUrl", row.callback_url)
    check_callback(callback_url, services().settings)
    identifiers = process.identifiers_in(shown(variables))
    return NewProcess(
        id=uuid.uuid4(),
        correlation_id=chosen_id(body, labels) or str(uuid.uuid4()),
        request_hash=request_hash(process.key, variables, callback_url, row.correlation_id),
        process_key=process.key,
        variables=variables,
        traceability_id=labels.get("traceability_id") or row.traceability_id,
        batch_id=labels.get("batch_id") or row.batch_id,
        application_id=labels.get("application_id") or row.application_id,
        callback_url=callback_url,
        priority=body.get("priority", row.priority),
        rerun_of=row.correlation_id,
        identifiers=identifiers or None,
        searched=as_texts(identifiers),
    )


def with_stored(edited: dict[str, Any], stored: dict[str, Any]) -> dict[str, Any]:
    """The edited input, with the stored value in the place of each value that is as the API shows the stored one.

    Whoever edits an input has seen it redacted. A redacted value that was left as it was stands for the stored one.

    Raises:
        Problem: a value is redacted, and the stored input has another value there, or none.
    """
    faults: dict[str, list[str]] = {}
    displayed = shown_error(stored, stored)
    found = {
        name: _stored_or_edited(value, displayed.get(name), stored.get(name), name, faults)
        for name, value in edited.items()
    }
    if faults:
        raise Problem(INVALID_FIELDS, "errors names each wrong field", errors={"variables": faults})
    return found


def _stored_or_edited(edited: Any, displayed: Any, stored: Any, path: str, faults: dict[str, list[str]]) -> Any:
    if edited == displayed and type(edited) is type(displayed):
        return stored
    if isinstance(edited, dict):
        pairs = (displayed, stored) if isinstance(displayed, dict) and isinstance(stored, dict) else ({}, {})
        return {
            name: _stored_or_edited(value, pairs[0].get(name), pairs[1].get(name), f"{path}.{name}", faults)
            for name, value in edited.items()
        }
    if isinstance(edited, list):
        there = list(zip(displayed, stored, strict=True)) if isinstance(displayed, list) else []
        padded = there[: len(edited)] + [(None, None)] * (len(edited) - len(there))
        return [
            _stored_or_edited(item, *pair, f"{path}.{number}", faults)
            for number, (item, pair) in enumerate(zip(edited, padded, strict=True))
        ]
    if isinstance(edited, str) and REDACTED in edited:
        faults.setdefault(path.partition(".")[0], []).append(
            f"{path} contains {REDACTED}, and the stored input does not show this text there. Send the value."
        )
    return edited


def _document(new: NewProcess, changed: list[str], correlation_id: str | None) -> dict[str, Any]:
    return {
        "processKey": new.process_key,
        "correlationId": correlation_id,
        "rerunOf": new.rerun_of,
        "variables": shown_error(new.variables, new.variables),
        "changed": changed,
        "traceabilityId": new.traceability_id,
        "callbackUrl": None if new.callback_url is None else shown_url(new.callback_url),
        "priority": new.priority,
    }


def _events(row: ProcessRow, new: NewProcess, changed: list[str]) -> list[NewEvent]:
    """Who did it, in the event logs of both processes. None names the other one, which may be deleted before it."""
    first = ops_event(
        row,
        actor=current_actor(),
        step_name=STEP_NAME,
        result="the process was started again as a new one",
        metadata={"changed": changed},
    )
    second = replace(
        first,
        traceability_id=new.traceability_id,
        correlation_id=new.correlation_id,
        process_instance_id=None,
        batch_id=new.batch_id,
        application_id=new.application_id,
        result="the process was started as a rerun",
    )
    return [first, second]


def _still_runs(row: ProcessRow, detail: str) -> Problem:
    return Problem(STILL_RUNS, detail, correlationId=row.correlation_id, currentStatus=row.status)
