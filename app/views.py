"""How rows look in answers."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from app.links import links
from store.events import EventRow
from store.processes import ProcessRow


def row_document(row: ProcessRow) -> dict[str, Any]:
    """A process as `GET /status` shows it."""
    return {
        "status": row.status,
        "correlationId": row.correlation_id,
        "processKey": row.process_key,
        "processInstanceId": row.process_instance_id,
        "traceabilityId": row.traceability_id,
        "data": row.result,
        "error": row.error,
        "identifiers": row.identifiers,
        "incidentId": row.incident_id,
        "startedAt": time_text(row.started_at),
        "updatedAt": time_text(row.updated_at),
        "finishedAt": time_text(row.finished_at),
    }


def status_document(row: ProcessRow) -> dict[str, Any]:
    """A process that was asked for by its name, with the ways to go on."""
    return {**row_document(row), "links": links(row.correlation_id, row.traceability_id)}


def event_document(row: EventRow) -> dict[str, Any]:
    """An event as the event log shows it: the columns in camelCase, but for those that only we need."""
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
        return time_text(value)
    return str(value) if isinstance(value, UUID) else value


def time_text(value: datetime | None) -> str | None:
    """A time as answers show it."""
    # RFC 3339, milliseconds: what the store keeps
    return None if value is None else value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"
