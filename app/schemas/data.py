"""Personal data of a process."""

from __future__ import annotations

from marshmallow import Schema, fields


class DataAnswer(Schema):
    """All data of one process, as stored: our columns under their names, the engine's data under its names."""

    process = fields.Dict()
    events = fields.List(fields.Dict())
    identifiers = fields.List(
        fields.Dict(), metadata={"description": "The names and values by which the process is found."}
    )
    webhooks = fields.List(fields.Dict())
    engine = fields.List(
        fields.Dict(),
        metadata={"description": "Historic instances with their variables; the instance that was started comes first."},
    )


class ErasedAnswer(Schema):
    """How much was deleted."""

    erasureId = fields.String(metadata={"description": "The event log records it as `erasure:<erasureId>`."})
    events = fields.Integer()
    webhooks = fields.Integer()
    engineInstances = fields.Integer()
