"""Maintenance: begin it, end it, read it."""

from __future__ import annotations

from datetime import datetime

from marshmallow import Schema, ValidationError, fields, validate

from app.schemas.fields import BoundOfTime, Strict
from store.clock import now
from store.maintenance import HOLD, REFUSE


def _check_future(value: datetime) -> None:
    if value <= now():
        raise ValidationError("Must be in the future.")


class MaintenanceRequest(Strict):
    """Why the service is in maintenance, and what happens to new starts."""

    reason = fields.String(
        required=True,
        validate=validate.Length(1, 500),
        metadata={"description": "Clients and operators read it.", "example": "the warehouse moves"},
    )
    starts = fields.String(
        load_default=REFUSE,
        validate=validate.OneOf([REFUSE, HOLD]),
        metadata={
            "description": "`refuse`: new starts are answered with 503. `hold`: new starts are accepted with 202, and "
            "begin when the maintenance ends."
        },
    )
    until = BoundOfTime(
        load_default=None,
        allow_none=True,
        validate=_check_future,
        metadata={
            "description": "When the end is expected (ISO 8601 with zone). Refused clients are told to try again then; "
            "without it, after a minute. The maintenance does not end by itself."
        },
    )


class MaintenanceInfo(Schema):
    """The maintenance that holds."""

    since = fields.String()
    reason = fields.String()
    starts = fields.String(validate=validate.OneOf([REFUSE, HOLD]))
    until = fields.String(allow_none=True)


class MaintenanceAnswer(Schema):
    """Whether the service is in maintenance. All other members are null while it is not."""

    on = fields.Boolean()
    since = fields.String(allow_none=True)
    reason = fields.String(allow_none=True)
    starts = fields.String(allow_none=True, validate=validate.OneOf([REFUSE, HOLD]))
    until = fields.String(allow_none=True)
    changedBy = fields.String(allow_none=True)
