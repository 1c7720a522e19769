"""Health."""

from __future__ import annotations

from marshmallow import Schema, fields, validate


class LiveAnswer(Schema):
    """The web process is alive."""

    status = fields.String(validate=validate.OneOf(["alive"]))


class ReadyAnswer(Schema):
    """Which parts are away, and since when."""

    status = fields.String(validate=validate.OneOf(["ready", "degraded", "unavailable"]))
    parts = fields.Dict(metadata={"description": "Each part by name: `up`, `detail`, `since` if not `up`, and more."})
    topicsWithoutHandler = fields.Dict(metadata={"description": "Topics that nobody handles, by process key."})
    pausedTopics = fields.Dict(
        allow_none=True,
        metadata={"description": "Topics that ops have paused, and since when; null while the store is away."},
    )
    waitingRequests = fields.Integer()
