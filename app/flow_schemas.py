"""What the calls that control the flow take and give: topics, bulk acts, data of one process."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from app.schemas import BoundOfTime, Strict
from settings import RATE
from store.processes import ERROR, PENDING

#: written in the place of a rate: no limit, whatever the code declares
NO_RATE = "none"


class JsonInteger(fields.Integer):
    """A whole number of JSON: to Python, `true` and `"1"` are numbers too."""

    def _validated(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class JsonBoolean(fields.Boolean):
    """`true` or `false`: nothing else may start what cannot be undone."""

    def _deserialize(self, value: object, attr: str | None, data: object, **given: object) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


def _check_rate(value: str) -> None:
    if value != NO_RATE and not RATE.match(value):
        raise ValidationError("Must be like 5/second (second, minute, hour or day), or none.")


class PauseRequest(Strict):
    """Why a topic is paused."""

    #: read by StrictParser: no body at all is an empty object
    body_is_optional = True

    reason = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(1, 500),
        metadata={"description": "Shown with the topic.", "example": "the partner is down until noon"},
    )


class LimitsRequest(Strict):
    """New limits of a topic; what is not named stays, null is what the code declares."""

    maxConcurrency = JsonInteger(
        allow_none=True,
        validate=validate.Range(0, 100_000),
        metadata={"description": "Steps that may run at once, on all workers together; 0 for no limit.", "example": 4},
    )
    rate = fields.String(
        allow_none=True,
        validate=_check_rate,
        metadata={
            "description": "Steps that may begin in a time; `none` for no limit.",
            "pattern": f"^(?:{RATE.pattern[:-2]}|{NO_RATE})$",
            "example": "5/second",
        },
    )

    @validates_schema
    def _named(self, data: dict[str, Any], **_: Any) -> None:
        if not data:
            raise ValidationError("Name maxConcurrency, rate, or both.", "maxConcurrency")


class TopicAnswer(Schema):
    """How a topic stands."""

    topic = fields.String()
    processKey = fields.String(metadata={"description": "Empty where nobody handles the topic here any more."})
    paused = fields.Boolean()
    pausedAt = fields.String(allow_none=True)
    reason = fields.String(allow_none=True, metadata={"description": "Of the pause."})
    maxConcurrency = fields.Integer(allow_none=True, metadata={"description": "That holds now; null for no limit."})
    rate = fields.String(allow_none=True, metadata={"description": "That holds now; null for no limit."})
    inFlight = fields.Integer(
        allow_none=True,
        metadata={"description": "Tasks that are locked or run; null where none are counted: without maxConcurrency."},
    )
    changedBy = fields.String(allow_none=True)
    changedAt = fields.String(allow_none=True)


class TopicsAnswer(Schema):
    """Every topic, by name."""

    topics = fields.List(fields.Nested(TopicAnswer))


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


class DataAnswer(Schema):
    """Everything about one process, as it is kept: the columns under their own names, the engine's under its."""

    process = fields.Dict()
    events = fields.List(fields.Dict())
    webhooks = fields.List(fields.Dict())
    engine = fields.List(fields.Dict(), metadata={"description": "Historic instances, the root first, with variables."})


class ErasedAnswer(Schema):
    """How much was deleted."""

    erasureId = fields.String(metadata={"description": "The event log knows it as `erasure:<erasureId>`."})
    events = fields.Integer()
    webhooks = fields.Integer()
    engineInstances = fields.Integer()
