"""The processes that this installation knows."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from store.process_rows import ERROR, OK


class StepAnswer(Schema):
    """A step of a process."""

    name = fields.String()
    topic = fields.String()
    order = fields.Integer()
    retries = fields.Integer(metadata={"description": "Attempts after the first."})
    outcome = fields.String(
        allow_none=True,
        validate=validate.OneOf([OK, ERROR]),
        metadata={"description": "Set for a step whose output is the process's result or error."},
    )


class DefinitionAnswer(Schema):
    """A registered process."""

    key = fields.String()
    name = fields.String()
    queue = fields.String(metadata={"description": "The Celery queue of its steps."})
    steps = fields.List(fields.Nested(StepAnswer))
    startSchema = fields.Dict(metadata={"description": "JSON Schema (2020-12) of a start's variables."})
    example = fields.Dict(metadata={"description": "Variables of an example start."})


class DefinitionsAnswer(Schema):
    """Every registered process, by key."""

    processes = fields.List(fields.Nested(DefinitionAnswer))
