"""Problem details (RFC 9457)."""

from __future__ import annotations

from marshmallow import INCLUDE, Schema, fields, validate

from store.process_rows import STATUSES


class ProblemAnswer(Schema):
    """RFC 9457 problem details. `type` leads to a page that explains cause and cure."""

    class Meta:
        # RFC 9457, 3.2: clients ignore members that they do not know
        unknown = INCLUDE

    type = fields.String(required=True, metadata={"format": "uri-reference", "example": "/problems/invalid-fields"})
    title = fields.String(required=True)
    status = fields.Integer(required=True, validate=validate.Range(400, 599))
    detail = fields.String(required=True)
    instance = fields.String(required=True, metadata={"description": "The path that was asked for."})
    errors = fields.Dict(metadata={"description": "Messages per field: a list, or an object for a field with fields."})
    correlationId = fields.String()
    traceabilityId = fields.String()
    processInstanceId = fields.String()
    statusUrl = fields.String(metadata={"description": "Where the status of the process is."})
    currentStatus = fields.String(validate=validate.OneOf(STATUSES))
    error = fields.Dict(metadata={"description": "The error in which the process ended: `code`, `message`, ..."})
