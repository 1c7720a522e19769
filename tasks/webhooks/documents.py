"""A process as clients see it: in answers and in webhooks."""

from __future__ import annotations

from typing import Any

from camunda_bridge.json_form import rfc3339
from store.process_rows import API, ProcessRow

__all__ = ["rfc3339", "row_document"]


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
        "priority": row.priority,
        "startedBy": row.started_by or API,
        "rerunOf": row.rerun_of,
        "startedAt": rfc3339(row.started_at),
        "updatedAt": rfc3339(row.updated_at),
        "finishedAt": None if row.finished_at is None else rfc3339(row.finished_at),
    }
