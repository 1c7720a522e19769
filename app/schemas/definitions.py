"""The registered processes: the answers."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from store.process_rows import ERROR, OK


class StepAnswer(Schema):
    """A step of a process."""

    name = fields.String()
    topic = fields.String()
    order = fields.Integer()
    retries = fields.Integer(metadata={"description": "How many attempts follow the first one, at most."})
    outcome = fields.String(
        allow_none=True,
        validate=validate.OneOf([OK, ERROR]),
        metadata={"description": "Set for a response step: its completion ends the process as `ok` or `error`."},
    )


class DefinitionAnswer(Schema):
    """A registered process."""

    key = fields.String()
    name = fields.String()
    queue = fields.String(metadata={"description": "The Celery queue of its steps."})
    steps = fields.List(fields.Nested(StepAnswer))
    startSchema = fields.Dict(metadata={"description": "JSON Schema (2020-12) of the `variables` of a start."})
    example = fields.Dict(metadata={"description": "`variables` of an example start."})


class DefinitionsAnswer(Schema):
    """Every registered process, sorted by key."""

    processes = fields.List(fields.Nested(DefinitionAnswer))


class SuspensionAnswer(Schema):
    """A process definition that was suspended or resumed."""

    processKey = fields.String()
    suspended = fields.Boolean()
    versions = fields.Integer(metadata={"description": "How many deployed versions it has; all are changed."})
