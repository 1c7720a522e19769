"""Operations on many processes at once."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from app.schemas.fields import BoundOfTime, Strict
from app.schemas.topics import JsonInteger
from store.process_rows import ERROR, PENDING


class JsonBoolean(fields.Boolean):
    """`true` or `false`: nothing else may start what cannot be undone."""

    def _deserialize(self, value: object, attr: str | None, data: object, **given: object) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class BulkRetryRequest(Strict):
    """Which processes to retry: those that stand on an incident, and fit all that is named."""

    processKey = fields.String(validate=validate.Length(1, 200), metadata={"example": "onboard-user"})
    startedAfter = BoundOfTime(metadata={"description": "Started at this time (ISO 8601 with zone) or later."})
    startedBefore = BoundOfTime(metadata={"description": "Started before this time (ISO 8601 with zone)."})
    errorContains = fields.String(
        validate=validate.Length(1, 500),
        metadata={"description": "Stands in the message of the error, letter by letter.", "example": "timed out"},
    )
    dryRun = JsonBoolean(
        load_default=True,
        metadata={"description": "Only tell which. Say false to act.", "example": True},
    )
    limit = JsonInteger(load_default=100, validate=validate.Range(1, 200))
    cursor = fields.String(
        validate=validate.Length(1, 200), metadata={"description": "`nextCursor` of the call before."}
    )


class BulkCancelRequest(BulkRetryRequest):
    """Which processes to cancel: those that run, or stand on an incident, and fit all that is named."""

    status = fields.String(
        load_default=PENDING,
        validate=validate.OneOf([PENDING, ERROR]),
        metadata={"description": "`pending` for those that run, `error` for those that stand on an incident."},
    )
    reason = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(1, 500),
        metadata={"description": "Becomes the message of each process's error.", "example": "the order was withdrawn"},
    )


class BulkItemAnswer(Schema):
    """One process that fits."""

    correlationId = fields.String()
    processKey = fields.String()
    startedAt = fields.String()
    message = fields.String(allow_none=True, metadata={"description": "Of its error."})
    outcome = fields.String(
        validate=validate.OneOf(["fits", "done", "refused"]),
        metadata={"description": "`fits` in a dry run; `refused` where it had changed meanwhile, `detail` says how."},
    )
    detail = fields.String(allow_none=True)


class BulkAnswer(Schema):
    """What fits, newest first, and what was done to it."""

    dryRun = fields.Boolean()
    done = fields.Integer()
    refused = fields.Integer()
    processes = fields.List(fields.Nested(BulkItemAnswer))
    nextCursor = fields.String(allow_none=True, metadata={"description": "Go on here; null when all were looked at."})
    stopped = fields.String(
        allow_none=True, metadata={"description": "Why it stopped in the midst: the engine is away. Go on later."}
    )
