"""Topics: pauses and limits."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from app.schemas.fields import Strict
from settings.reading import RATE

#: written in the place of a rate: no limit, whatever the code declares
NO_RATE = "none"


class JsonInteger(fields.Integer):
    """A whole number as JSON Schema has it, `4.0` too; to Python, `true` and `"1"` are numbers as well."""

    def _validated(self, value: object) -> int:
        if isinstance(value, bool | str) or (isinstance(value, float) and not value.is_integer()):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


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
