"""JSON Schema of one event, for the OpenAPI document, where the schema of a stream describes each of its events."""

from __future__ import annotations

from typing import Any

from store.event_rows import BPMN_ERROR, COMPLETED, FAILED, LOST, OPS, OUTCOME_UNKNOWN, STARTED
from store.process_rows import PENDING, STATUSES

_TEXT = {"type": "string"}
_TEXT_OR_NULL = {"type": ["string", "null"]}
_NUMBER_OR_NULL = {"type": ["integer", "null"]}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": sorted(properties)}


_STARTED = _object(
    stepName=_TEXT,
    step=_NUMBER_OR_NULL,
    attempt={"type": "integer", "minimum": 1},
    phase={"enum": [STARTED, COMPLETED, FAILED, BPMN_ERROR, LOST, OUTCOME_UNKNOWN]},
    at=_TEXT,
    executionId=_TEXT,
)
_OVER = _object(executionTime=_NUMBER_OR_NULL, httpStatusCode=_NUMBER_OR_NULL, result=_TEXT_OR_NULL, error={})
_OPS = _object(stepName=_TEXT, phase={"const": OPS}, actor=_TEXT_OR_NULL, result=_TEXT_OR_NULL, at=_TEXT)
_END = _object(
    status={"enum": [status for status in STATUSES if status != PENDING]},
    correlationId=_TEXT,
    processInstanceId=_TEXT_OR_NULL,
    traceabilityId=_TEXT,
    error={"type": ["object", "null"]},
    incidentId=_TEXT_OR_NULL,
    finishedAt=_TEXT,
    links={"type": "object", "additionalProperties": _TEXT},
)


def _event(name: str, data: dict[str, Any]) -> dict[str, Any]:
    text = {"type": "string", "contentMediaType": "application/json", "contentSchema": data}
    return {"properties": {"event": {"const": name}, "data": text}, "required": ["id", "event", "data"]}


#: one event; the first one of a stream has only the `retry` interval
EVENT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"id": _TEXT},
    "anyOf": [
        {"properties": {"retry": {"type": "integer"}}, "required": ["retry"]},
        _event("started", _STARTED),
        _event("completed", {"allOf": [_STARTED, _OVER]}),
        _event("failed", {"allOf": [_STARTED, _OVER]}),
        _event("ops", _OPS),
        _event("end", _END),
    ],
}
