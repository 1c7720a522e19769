"""Start a process: the request, its headers and its answers."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from app.schemas.fields import _CORRELATION_ID_META, JsonInteger, Strict, _label, check_correlation_id
from app.schemas.maintenance import MaintenanceInfo
from app.schemas.processes import Links
from store.correlation_ids import RESERVED_WORDS
from tasks.broker.start_priority import HIGHEST, LOWEST


class StartRequest(Strict):
    """Start a process."""

    processKey = fields.String(required=True, validate=validate.Length(1, 200), metadata={"example": "onboard-user"})
    correlationId = fields.String(
        validate=check_correlation_id,
        metadata={
            **_CORRELATION_ID_META,
            "description": "Your name for this start; it makes the start idempotent. Without it the server makes one.",
        },
    )
    variables = fields.Dict(
        keys=fields.String(),
        load_default=dict,
        metadata={"description": "The input of the process. `GET /api/process/definitions` has the schema of each."},
    )
    callbackUrl = fields.String(
        validate=validate.Length(1, 2000),
        metadata={
            "format": "uri",
            "description": "Gets a signed webhook when the process ends. `CALLBACK_HOSTS` of the server must list "
            "its host.",
        },
    )
    priority = JsonInteger(
        load_default=0,
        validate=validate.Range(LOWEST, HIGHEST),
        metadata={
            "description": "Waiting starts of a higher priority begin before those of a lower one. A repeated start "
            "does not change the priority of the first.",
        },
    )


class IdempotencyKey(fields.String):
    """An `Idempotency-Key`: a string in quotes (RFC 9651) or without quotes. Loading removes the quotes.

    https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
    """

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **options))
        return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def _idempotency_key_schema() -> dict[str, object]:
    words = sorted(RESERVED_WORDS)
    return {
        "type": "string",
        "pattern": '^("[A-Za-z0-9._:~-]{1,200}"|[A-Za-z0-9._:~-]{1,200})$',
        "not": {"anyOf": [{"enum": [*words, *(f'"{word}"' for word in words)]}, {"pattern": r'^"?\.+"?$'}]},
        "description": "Used as the correlation id if the body has none. The same key joins the first start.",
    }


class StartHeaders(Schema):
    """Headers of a start."""

    idempotency_key = IdempotencyKey(
        data_key="Idempotency-Key", validate=check_correlation_id, metadata=_idempotency_key_schema()
    )
    traceability_id = fields.String(
        data_key="X-Traceability-Id", validate=check_correlation_id, metadata=_label("the id of its event log")
    )
    batch_id = fields.String(data_key="X-Batch-Id", validate=check_correlation_id, metadata=_label("a batch of starts"))
    application_id = fields.String(
        data_key="X-Application-Id", validate=check_correlation_id, metadata=_label("the calling application")
    )


class StartAnswer(Schema):
    """200: the process has ended as `ok`."""

    status = fields.String(metadata={"example": "ok"})
    correlationId = fields.String()
    processInstanceId = fields.String(allow_none=True)
    traceabilityId = fields.String()
    result = fields.Raw(allow_none=True)


class PendingAnswer(Schema):
    """202: the start is accepted, the process has not ended yet."""

    status = fields.String(metadata={"example": "pending"})
    correlationId = fields.String()
    traceabilityId = fields.String()
    statusUrl = fields.String()
    links = fields.Nested(Links)
    maintenance = fields.Nested(
        MaintenanceInfo, allow_none=True, metadata={"description": "Null while the service is not in maintenance."}
    )
