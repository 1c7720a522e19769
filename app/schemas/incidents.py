"""Open incidents in groups, and the retry of one process."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from app.schemas.fields import Strict


class IncidentsQuery(Strict):
    """Which incidents."""

    processKey = fields.String(validate=validate.Length(1, 200), metadata={"description": "Of this process only."})
    step = fields.String(
        validate=validate.Length(1, 200), metadata={"description": "At the element with this id only."}
    )


class GroupAnswer(Schema):
    """Open incidents with the same cause, as far as process, version, step, error and message tell."""

    id = fields.String(metadata={"description": "Send it as `group` to retry or cancel them all."})
    processKey = fields.String()
    version = fields.Integer(
        allow_none=True, metadata={"description": "Of the process definition; null while the engine is unavailable."}
    )
    step = fields.String(allow_none=True, metadata={"description": "Id of the element that failed."})
    errorType = fields.String(
        allow_none=True, metadata={"description": "Name of the exception, if the message has one."}
    )
    message = fields.String(metadata={"description": "The message, with `…` in the place of ids and numbers."})
    example = fields.String(metadata={"description": "The whole message of the newest of these processes."})
    count = fields.Integer()
    first = fields.String(allow_none=True, metadata={"description": "When the first of them was found."})
    last = fields.String(allow_none=True, metadata={"description": "When the last of them was found."})
    correlationIds = fields.List(fields.String(), metadata={"description": "Of the newest five of these processes."})


class IncidentsAnswer(Schema):
    """All groups, the largest first."""

    groups = fields.List(fields.Nested(GroupAnswer))
    count = fields.Integer(metadata={"description": "How many incidents they have together."})
    truncated = fields.Boolean(
        metadata={"description": "True: there are more than 10,000, and the oldest are left out."}
    )


class RetryRequest(Strict):
    """What to change before a retry."""

    #: StrictParser reads it: an empty body counts as an empty object
    body_is_optional = True

    variables = fields.Dict(
        keys=fields.String(),
        load_default=None,
        allow_none=True,
        metadata={"description": "Variables that the process gets before the retry.", "example": {"country": "GB"}},
    )
