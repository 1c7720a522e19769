"""Topics: pauses and limits."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from app.schemas.fields import JsonInteger, Strict
from settings.reading import RATE

#: given as a rate: no limit, also if the code declares one
NO_RATE = "none"


def _check_rate(value: str) -> None:
    if value != NO_RATE and not RATE.match(value):
        raise ValidationError("Must be a rate such as 5/second (second, minute, hour or day), or none.")


class PauseRequest(Strict):
    """Why a topic is paused."""

    #: StrictParser reads it: an empty body counts as an empty object
    body_is_optional = True

    reason = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(1, 500),
        metadata={"description": "It is shown with the topic.", "example": "the partner is down until noon"},
    )


class ResumeSeveralRequest(Strict):
    """The topics that are resumed."""

    topics = fields.List(
        fields.String(validate=validate.Length(1, 255)),
        required=True,
        validate=validate.Length(1, 200),
        metadata={"example": ["onboard-user.create-account", "onboard-user.send-welcome"]},
    )


class PauseSeveralRequest(ResumeSeveralRequest):
    """The topics that are paused, and why."""

    reason = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(1, 500),
        metadata={"description": "It is shown with each topic.", "example": "the partner is down until noon"},
    )


class LimitsRequest(Strict):
    """New limits of a topic. A limit that is not named stays; null restores the limit that the code declares."""

    maxConcurrency = JsonInteger(
        allow_none=True,
        validate=validate.Range(0, 100_000),
        metadata={
            "description": "How many steps may run at once, on all workers together; 0 for no limit.",
            "example": 4,
        },
    )
    rate = fields.String(
        allow_none=True,
        validate=_check_rate,
        metadata={
            "description": "How many steps may begin in a second, minute, hour or day, on all workers together; "
            "`none` for no limit.",
            "pattern": f"^(?:{RATE.pattern[:-2]}|{NO_RATE})$",
            "example": "5/second",
        },
    )

    @validates_schema
    def _named(self, data: dict[str, Any], **_: Any) -> None:
        if not data:
            raise ValidationError("Name maxConcurrency, rate, or both.", "maxConcurrency")


class TopicAnswer(Schema):
    """A topic: its pause and its limits."""

    topic = fields.String()
    processKey = fields.String(metadata={"description": "Empty if no step here has this topic any more."})
    paused = fields.Boolean()
    pausedAt = fields.String(allow_none=True)
    reason = fields.String(allow_none=True, metadata={"description": "The reason of the pause."})
    maxConcurrency = fields.Integer(allow_none=True, metadata={"description": "The current limit; null for no limit."})
    rate = fields.String(allow_none=True, metadata={"description": "The current limit; null for no limit."})
    inFlight = fields.Integer(
        allow_none=True,
        metadata={"description": "Locked or running tasks; counted only with `maxConcurrency`, otherwise null."},
    )
    changedBy = fields.String(allow_none=True)
    changedAt = fields.String(allow_none=True)


class TopicsAnswer(Schema):
    """Every topic, by name."""

    topics = fields.List(fields.Nested(TopicAnswer))
