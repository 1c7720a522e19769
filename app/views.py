"""Converts rows to the JSON documents of answers."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from app.responses.links import links
from app.starts.callbacks import callback_document
from store.event_rows import EventRow
from store.process_rows import ProcessRow
from tasks.webhooks.documents import rfc3339, row_document

__all__ = ["event_document", "row_document", "status_document"]


def status_document(row: ProcessRow) -> dict[str, Any]:
    """A process with its callback and its links, for an answer about one process."""
    return {
        **row_document(row),
        "callback": callback_document(row),
        "links": links(row.correlation_id, row.traceability_id),
    }


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
