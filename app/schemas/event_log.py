"""The event log of a process."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from app.schemas.fields import QueryInteger, Strict


class EventQuery(Strict):
    """Which part of an event log to read."""

    limit = QueryInteger(load_default=1000, validate=validate.Range(1, 1000))
    cursor = fields.String(validate=validate.Length(1, 200))


class EventAnswer(Schema):
    """One attempt of a step, or one act of ops."""

    executionId = fields.String()
    batchId = fields.String(allow_none=True)
    traceabilityId = fields.String()
    applicationId = fields.String(allow_none=True)
    correlationId = fields.String(allow_none=True)
    processInstanceId = fields.String(allow_none=True)
    externalTaskId = fields.String(allow_none=True)
    phase = fields.String()
    actor = fields.String(allow_none=True)
    targetSystem = fields.String(allow_none=True)
    originatingSystem = fields.String(allow_none=True)
    processName = fields.String(allow_none=True)
    step = fields.Integer(allow_none=True)
    stepName = fields.String()
    businessActionRequest = fields.Raw(allow_none=True)
    businessActionResponse = fields.Raw(allow_none=True)
    identifiers = fields.Raw(allow_none=True)
    result = fields.String(allow_none=True)
    httpStatusCode = fields.Integer(allow_none=True)
    httpMethod = fields.String(allow_none=True)
    endpoint = fields.String(allow_none=True)
    metadata = fields.Raw(allow_none=True)
    errorDetails = fields.String(allow_none=True)
    lastUpdateId = fields.String(allow_none=True)
    executionTime = fields.Integer(allow_none=True, metadata={"description": "milliseconds"})
    createdAt = fields.String()
    updatedAt = fields.String()


class EventLogAnswer(Schema):
    """The events of one traceability id, in order."""

    eventLog = fields.List(fields.Nested(EventAnswer))
    nextCursor = fields.String(allow_none=True)
