"""The variables of a business error, and the error that the example processes return to their clients."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields


class BusinessError(Schema):
    """The variables that the boundary event and the failed step set."""

    errorCode = fields.String(load_default="UNKNOWN_ERROR", allow_none=True)
    errorMessage = fields.String(load_default=None, allow_none=True)
    errorType = fields.String(load_default=None, allow_none=True)
    errorDetails = fields.Dict(load_default=dict, allow_none=True)


def error_document(failure: dict[str, Any], otherwise: str) -> dict[str, Any]:
    """Code, message, type and details for the client; `otherwise` is the message if the error has none."""
    return {
        "code": failure["errorCode"] or "UNKNOWN_ERROR",
        "message": failure["errorMessage"] or otherwise,
        "type": failure["errorType"] or "BusinessRuleError",
        "details": failure["errorDetails"] or {},
    }
