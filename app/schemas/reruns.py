"""Run an ended process again: the request and its answers."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from app.schemas.fields import _CORRELATION_ID_META, JsonBoolean, JsonInteger, Strict, check_correlation_id
from app.schemas.starts import StartAnswer
from tasks.broker.start_priority import HIGHEST, LOWEST


class RerunRequest(Strict):
    """Run an ended process again as a new one. What is left out is as in its start."""

    #: StrictParser reads it: an empty body counts as an empty object
    body_is_optional = True

    correlationId = fields.String(
        validate=check_correlation_id,
        metadata={
            **_CORRELATION_ID_META,
            "description": "Your name for the new process; it makes the call idempotent. Without it the server makes "
            "one.",
            "example": "order-4711-again",
        },
    )
    variables = fields.Dict(
        keys=fields.String(),
        load_default=None,
        allow_none=True,
        metadata={
            "description": "The whole edited input; without it the input of the first start. A redacted value that is "
            "left as a dry run shows it stands for the stored one."
        },
    )
    callbackUrl = fields.String(
        allow_none=True,
        validate=validate.Length(1, 2000),
        metadata={"format": "uri", "description": "Without it that of the first start; null for none."},
    )
    priority = JsonInteger(validate=validate.Range(LOWEST, HIGHEST))
    dryRun = JsonBoolean(
        load_default=False,
        metadata={"description": "`true`: nothing is started, the answer shows what would start."},
    )


class WouldStartAnswer(Schema):
    """The start that a rerun makes."""

    processKey = fields.String()
    correlationId = fields.String(allow_none=True, metadata={"description": "Null: the server will make one."})
    rerunOf = fields.String()
    variables = fields.Raw(metadata={"description": "The input, redacted."})
    changed = fields.List(fields.String(), metadata={"description": "Names of the variables that were edited."})
    traceabilityId = fields.String()
    callbackUrl = fields.String(allow_none=True, metadata={"description": "Without its query."})
    priority = fields.Integer()


class RerunAnswer(StartAnswer):
    """200: the new process has ended as `ok`; or, of a dry run, only `dryRun` and `wouldStart`."""

    dryRun = fields.Boolean()
    wouldStart = fields.Nested(WouldStartAnswer)
