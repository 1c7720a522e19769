"""Converts rows to the JSON documents of answers."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from app.responses.links import links
from app.services import services
from app.starts.callbacks import callback_document
from service.incidents import Grouped
from service.standing.elements import Standing, standing_of
from store.event_rows import EventRow
from store.process_rows import PENDING, ProcessRow
from tasks.webhooks.documents import rfc3339, row_document
from telemetry.logs.redaction import shown_error, shown_text

__all__ = ["event_document", "incidents_document", "row_document", "standing_document", "status_document"]

#: newest reruns that the status of a process names
RERUNS = 20


def status_document(row: ProcessRow) -> dict[str, Any]:
    """A process with its callback and its links, for an answer about one process.

    `active` and `maintenance` are for the status to set.
    """
    return {
        **row_document(row),
        "active": None,
        "maintenance": None,
        # Only an ended process can be run again, so the polls of a running one read nothing more.
        "reruns": [] if row.status == PENDING else services().processes.reruns_of(row.correlation_id, most=RERUNS),
        "callback": callback_document(row),
        "links": links(row.correlation_id, row.traceability_id),
    }


def standing_document(row: ProcessRow, standing: Standing | None = None) -> dict[str, Any]:
    """Where a process stands: its active elements, and what each waits for.

    Args:
        row: the process.
        standing: where it stands; None to ask the engine.
    """
    found = standing_of(row) if standing is None else standing
    elements = [{_camel(name): value for name, value in asdict(element).items()} for element in found.elements]
    # A message of the engine can contain what a handler wrote, with values of secret fields.
    hidden = shown_error({"elements": elements, "note": found.note}, row.variables)
    return {"elements": hidden["elements"], "suspended": found.suspended, "note": hidden["note"]}


def incidents_document(found: Grouped) -> dict[str, Any]:
    """Groups of open incidents, as answers show them."""
    groups = [
        {
            "id": group.key.id,
            "processKey": group.key.process_key,
            "version": group.key.version,
            "step": group.key.step,
            "errorType": group.key.error_type,
            "message": shown_text(group.key.message),
            "example": shown_text(group.example),
            "count": group.count,
            "first": _plain(group.first),
            "last": _plain(group.last),
            "correlationIds": group.correlation_ids,
        }
        for group in found.groups
    ]
    return {"groups": groups, "count": found.count, "truncated": found.is_cut}


def event_document(row: EventRow) -> dict[str, Any]:
    """An event as the event log shows it: the columns in camelCase, without the internal ones."""
    return {
        _camel(item.name): _plain(getattr(row, item.name))
        for item in fields(EventRow)
        if item.name not in ("seq", "lock_token")
    }


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.title() for part in others)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
    return str(value) if isinstance(value, UUID) else value
