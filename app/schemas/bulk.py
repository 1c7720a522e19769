"""Operations on many processes at once."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from app.schemas.fields import (
    BoundOfTime,
    JsonBoolean,
    JsonInteger,
    Strict,
    check_correlation_id,
    correlation_id_schema,
)
from store.process_rows import ERROR, PENDING


class BulkFilters(Strict):
    """Which processes: those that match every filter."""

    processKey = fields.String(validate=validate.Length(1, 200), metadata={"example": "onboard-user"})
    startedAfter = BoundOfTime(metadata={"description": "Started at this time (ISO 8601 with zone) or later."})
    startedBefore = BoundOfTime(metadata={"description": "Started before this time (ISO 8601 with zone)."})
    errorContains = fields.String(
        validate=validate.Length(1, 500),
        metadata={
            "description": "Text that the message of the error contains, case included.",
            "example": "timed out",
        },
    )
    step = fields.String(
        validate=validate.Length(1, 200), metadata={"description": "Id of the element with the incident."}
    )
    group = fields.String(
        validate=validate.Regexp(r"^[0-9a-f]{16}\Z", error="Must be the id of a group."),
        metadata={"description": "Id of a group of `GET /api/process/incidents`.", "example": "0123456789abcdef"},
    )
    correlationIds = fields.List(
        fields.String(validate=check_correlation_id, metadata=correlation_id_schema()),
        load_default=None,
        allow_none=True,
        validate=validate.Length(1, 200),
        metadata={"description": "Only these processes, if the other filters match them too."},
    )
    dryRun = JsonBoolean(
        load_default=True,
        metadata={"description": "`true` only lists the processes. Send `false` to change them.", "example": True},
    )
    limit = JsonInteger(load_default=100, validate=validate.Range(1, 200))
    cursor = fields.String(
        validate=validate.Length(1, 200), metadata={"description": "The `nextCursor` of the previous call."}
    )


class BulkRetryRequest(BulkFilters):
    """Which processes to retry: those that have an open incident and match every filter."""

    variables = fields.Dict(
        keys=fields.String(),
        load_default=None,
        allow_none=True,
        metadata={"description": "Variables that each of them gets before its retry.", "example": {"country": "GB"}},
    )


class BulkCancelRequest(BulkFilters):
    """Which processes to cancel: those that run, or have an open incident, and match every filter."""

    status = fields.String(
        load_default=PENDING,
        validate=validate.OneOf([PENDING, ERROR]),
        metadata={"description": "`pending` for running processes, `error` for processes with an open incident."},
    )
    reason = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(1, 500),
        metadata={
            "description": "It becomes the message in the `error` of each process.",
            "example": "the order was withdrawn",
        },
    )


class BulkItemAnswer(Schema):
    """One process that matches the filters."""

    correlationId = fields.String()
    processKey = fields.String()
    startedAt = fields.String()
    message = fields.String(allow_none=True, metadata={"description": "The message of its error."})
    outcome = fields.String(
        validate=validate.OneOf(["fits", "done", "refused"]),
        metadata={
            "description": "`fits` in a dry run. `done` if it was retried or cancelled. `refused` if it could not be, "
            "because it had changed since it was selected; `detail` has the reason."
        },
    )
    detail = fields.String(allow_none=True)


class BulkAnswer(Schema):
    """The processes that match, newest first, and what was done to each."""

    dryRun = fields.Boolean()
    done = fields.Integer()
    refused = fields.Integer()
    processes = fields.List(fields.Nested(BulkItemAnswer))
    nextCursor = fields.String(
        allow_none=True, metadata={"description": "The `cursor` of the next call; null when all rows were checked."}
    )
    stopped = fields.String(
        allow_none=True,
        metadata={"description": "Why it stopped early: the engine is unavailable. Go on later with `nextCursor`."},
    )
