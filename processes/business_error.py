"""What a business error leaves in a process, and the error that the examples make of it for their clients."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields


class BusinessError(Schema):
    """What a boundary event and the failed step left."""

    errorCode = fields.String(load_default="UNKNOWN_ERROR", allow_none=True)
    errorMessage = fields.String(load_default=None, allow_none=True)
    errorType = fields.String(load_default=None, allow_none=True)
    errorDetails = fields.Dict(load_default=dict, allow_none=True)


def error_document(failure: dict[str, Any], otherwise: str) -> dict[str, Any]:
    """Code, message, type and details for the client; `otherwise` is the message where the error has none."""
    return {
        "code": failure["errorCode"] or "UNKNOWN_ERROR",
        "message": failure["errorMessage"] or otherwise,
        "type": failure["errorType"] or "BusinessRuleError",
        "details": failure["errorDetails"] or {},
    }
