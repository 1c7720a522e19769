"""What the calls that control the flow take and give: topics, bulk acts, data of one process."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from app.schemas import Strict
from settings import RATE

#: written in the place of a rate: no limit, whatever the code declares
NO_RATE = "none"


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

    maxConcurrency = fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.Range(0, 100_000),
        metadata={"description": "Steps that may run at once, on all workers together; 0 for no limit.", "example": 4},
    )
    rate = fields.String(
        allow_none=True,
        validate=validate.Regexp(rf"(?:{RATE.pattern[:-2]}|none)\Z"),
        metadata={"description": "Steps that may begin in a time; `none` for no limit.", "example": "5/second"},
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
