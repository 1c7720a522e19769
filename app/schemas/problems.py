"""Problem details (RFC 9457)."""

from __future__ import annotations

from marshmallow import INCLUDE, Schema, fields, validate

from app.schemas.processes import ActiveAnswer
from store.process_rows import STATUSES


class ProblemAnswer(Schema):
    """RFC 9457 problem details. `type` is the path of a page that explains the cause and what to do."""

    class Meta:
        # RFC 9457, 3.2: clients ignore unknown members
        unknown = INCLUDE

    type = fields.String(required=True, metadata={"format": "uri-reference", "example": "/problems/invalid-fields"})
    title = fields.String(required=True)
    status = fields.Integer(required=True, validate=validate.Range(400, 599))
    detail = fields.String(required=True)
    instance = fields.String(required=True, metadata={"description": "The path of the request."})
    errors = fields.Dict(
        metadata={"description": "Messages by field: a list, or an object where the field has fields of its own."}
    )
    correlationId = fields.String()
    traceabilityId = fields.String()
    processInstanceId = fields.String()
    statusUrl = fields.String(metadata={"description": "The polling URL of the process."})
    currentStatus = fields.String(validate=validate.OneOf(STATUSES))
    active = fields.Nested(
        ActiveAnswer, metadata={"description": "Of `message-not-correlated`: what the process waits for."}
    )
    error = fields.Dict(metadata={"description": "The error with which the process ended: `code`, `message`, ..."})
