"""Health checks: the answers."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from app.schemas.maintenance import MaintenanceInfo


class LiveAnswer(Schema):
    """The web process is alive."""

    status = fields.String(validate=validate.OneOf(["alive"]))


class ReadyAnswer(Schema):
    """The state of each part of the system."""

    status = fields.String(validate=validate.OneOf(["ready", "degraded", "unavailable"]))
    parts = fields.Dict(
        metadata={"description": "Each part by name: `up`, `detail`, `since` if not `up`, some with more members."}
    )
    topicsWithoutHandler = fields.Dict(metadata={"description": "Topics without a handler here, by process key."})
    pausedTopics = fields.Dict(
        allow_none=True,
        metadata={"description": "Paused topics, and since when; null while the database is unavailable."},
    )
    maintenance = fields.Nested(
        MaintenanceInfo, allow_none=True, metadata={"description": "Null while the service is not in maintenance."}
    )
    waitingRequests = fields.Integer()
