"""Personal data of a process."""

from __future__ import annotations

from marshmallow import Schema, fields


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
