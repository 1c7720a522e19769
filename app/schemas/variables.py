"""The variables of a running process."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from app.schemas.fields import JsonBoolean, Strict


class VariableAnswer(Schema):
    """A variable in the scope of the process."""

    name = fields.String()
    type = fields.String(metadata={"description": "The type in the engine, such as `String`, `Long`, `Json`, `Date`."})
    value = fields.Raw(
        allow_none=True, metadata={"description": "As JSON, redacted; null for files, bytes and Java objects."}
    )


class VariablesAnswer(Schema):
    """The variables of a process, by name, without those of inner scopes."""

    variables = fields.List(fields.Nested(VariableAnswer))


class VariablesRequest(Strict):
    """Variables to set, by name. A variable keeps its type; one that the start schema names is checked by it."""

    variables = fields.Dict(
        keys=fields.String(),
        required=True,
        validate=validate.Length(1, 100),
        metadata={"example": {"country": "GB"}, "minProperties": 1, "maxProperties": 100},
    )
    dryRun = JsonBoolean(
        load_default=False, metadata={"description": "`true`: only check, and show what would change."}
    )


class ChangeAnswer(Schema):
    """A variable before and after."""

    name = fields.String()
    before = fields.Nested(VariableAnswer, allow_none=True, metadata={"description": "Null for a new variable."})
    after = fields.Nested(VariableAnswer)


class VariablesChangedAnswer(Schema):
    """What was changed, or in a dry run would be changed."""

    dryRun = fields.Boolean()
    changes = fields.List(fields.Nested(ChangeAnswer))
