"""What the API takes and gives."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from marshmallow import INCLUDE, RAISE, Schema, ValidationError, fields, validate, validates

from store.processes import ERROR, OK, STATUSES

#: characters of a correlation id: safe in a path, in a log line and in a key
CORRELATION_ID = re.compile(r"[A-Za-z0-9._:~-]{1,200}\Z")
#: words that stand in the place of a correlation id in some route
RESERVED_WORDS = frozenset(
    {"all", "start", "complete", "status", "event-log", "definitions", "topics", "bulk", "insight", "."}
)


def correlation_id_schema() -> dict[str, object]:
    """JSON Schema of what :func:`check_correlation_id` takes."""
    return {
        "type": "string",
        "minLength": 1,
        "maxLength": 200,
        "pattern": "^[A-Za-z0-9._:~-]{1,200}$",
        "not": {"anyOf": [{"enum": sorted(RESERVED_WORDS)}, {"pattern": r"^\.+$"}]},
    }


_CORRELATION_ID_META = {
    **correlation_id_schema(),
    "description": "1 to 200 of A-Z a-z 0-9 . _ : ~ -",
    "example": "order-4711",
}

# No process is older or younger; what is beyond them may have no equal in UTC within the calendar.
_FIRST_TIME, _LAST_TIME = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


def check_correlation_id(value: str) -> None:
    """Refuse what cannot be a correlation id.

    Raises:
        ValidationError: says which characters may stand in it.
    """
    if not CORRELATION_ID.match(value):
        raise ValidationError("Must be 1 to 200 characters of A-Z a-z 0-9 . _ : ~ -")
    if value in RESERVED_WORDS or set(value) == {"."}:
        raise ValidationError(f"{value!r} is a word of the API's own.")


def _label(meaning: str) -> dict[str, object]:
    # No example: Swagger UI would send it.
    return {**correlation_id_schema(), "description": f"Kept with every event: {meaning}."}


class Strict(Schema):
    """A body in which an unknown field is an error: a misspelt name must not pass for an omitted one."""

    class Meta:
        unknown = RAISE


class StartRequest(Strict):
    """Start a process."""

    processKey = fields.String(required=True, validate=validate.Length(1, 200), metadata={"example": "onboard-user"})
    correlationId = fields.String(
        validate=check_correlation_id,
        metadata={**_CORRELATION_ID_META, "description": "Makes the start idempotent; made up when absent."},
    )
    variables = fields.Dict(
        keys=fields.String(),
        load_default=dict,
        metadata={"description": "Input of the process; each process has a schema of its own."},
    )
    callbackUrl = fields.String(
        validate=validate.Length(1, 2000),
        metadata={
            "format": "uri",
            "description": "Is told how the process ended, by a signed webhook; hosts must be allowed here.",
        },
    )


class IdempotencyKey(fields.String):
    """An `Idempotency-Key`: a string of RFC 9651, in quotes, or bare; without quotes when loaded.

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
        "description": "The correlation id, where the body has none: the same key joins the first start.",
    }


class StartHeaders(Schema):
    """What a caller may say about a start beside its body."""

    idempotency_key = IdempotencyKey(
        data_key="Idempotency-Key", validate=check_correlation_id, metadata=_idempotency_key_schema()
    )
    traceability_id = fields.String(
        data_key="X-Traceability-Id", validate=check_correlation_id, metadata=_label("what all events are found by")
    )
    batch_id = fields.String(data_key="X-Batch-Id", validate=check_correlation_id, metadata=_label("a batch of starts"))
    application_id = fields.String(
        data_key="X-Application-Id", validate=check_correlation_id, metadata=_label("the calling application")
    )


class CompleteRequest(Strict):
    """End a process from outside."""

    correlationId = fields.String(required=True, validate=check_correlation_id, metadata=_CORRELATION_ID_META)
    status = fields.String(required=True, validate=validate.OneOf([OK, ERROR]))
    data = fields.Raw(load_default=None, allow_none=True, metadata={"description": "The result, for status ok."})
    error = fields.Dict(
        load_default=None,
        allow_none=True,
        metadata={
            "description": "For status error.",
            "required": ["message"],
            "properties": {"message": {"type": "string"}},
        },
    )

    @validates("error")
    def _named(self, value: dict[str, object] | None, data_key: str) -> None:
        if value is not None and not isinstance(value.get("message"), str):
            raise ValidationError("Must have a message.")


class QueryInteger(fields.Integer):
    """A whole number as JSON writes it: Python's `int` would take `1_0`, and digits of other scripts, too."""

    def _validated(self, value: object) -> int:
        if isinstance(value, str) and not re.fullmatch(r"-?[0-9]{1,18}", value):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class CancelRequest(Strict):
    """Why a process is cancelled."""

    #: read by StrictParser: no body at all is an empty object
    body_is_optional = True

    reason = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(1, 500),
        metadata={"description": "Becomes the message of the process's error.", "example": "the order was withdrawn"},
    )


class MessageRequest(Strict):
    """Deliver a message to a process that waits for it."""

    messageName = fields.String(required=True, validate=validate.Length(1, 200), metadata={"example": "payment"})
    variables = fields.Dict(
        keys=fields.String(),
        load_default=dict,
        metadata={"description": "Become variables of the process."},
    )


class BoundOfTime(fields.AwareDateTime):
    """A time that bounds a list, brought into the years in which processes may have been started."""

    def _deserialize(self, value: object, attr: str | None, data: object, **given: object) -> datetime:
        moment: datetime = super()._deserialize(value, attr, data, **given)
        return min(max(moment, _FIRST_TIME), _LAST_TIME)


class ListQuery(Strict):
    """Which processes to list."""

    startedAfter = BoundOfTime(metadata={"description": "Started at this time (ISO 8601 with zone) or later."})
    startedBefore = BoundOfTime(metadata={"description": "Started before this time (ISO 8601 with zone)."})
    status = fields.String(validate=validate.OneOf(STATUSES))
    processKey = fields.String(validate=validate.Length(1, 200))
    limit = QueryInteger(load_default=50, validate=validate.Range(1, 500))
    cursor = fields.String(validate=validate.Length(1, 200))


class EventQuery(Strict):
    """Which part of an event log to read."""

    limit = QueryInteger(load_default=1000, validate=validate.Range(1, 1000))
    cursor = fields.String(validate=validate.Length(1, 200))


class Links(Schema):
    """Paths to go on with."""

    status = fields.String()
    events = fields.String()
    eventLog = fields.String()
    cancel = fields.String()


class StartAnswer(Schema):
    """200: the process has ended well."""

    status = fields.String(metadata={"example": "ok"})
    correlationId = fields.String()
    processInstanceId = fields.String(allow_none=True)
    traceabilityId = fields.String()
    result = fields.Raw(allow_none=True)


class PendingAnswer(Schema):
    """202: accepted, not ended yet."""

    status = fields.String(metadata={"example": "pending"})
    correlationId = fields.String()
    traceabilityId = fields.String()
    statusUrl = fields.String()
    links = fields.Nested(Links)


class ListedAnswer(Schema):
    """What is known of a process. Times are RFC 3339, in UTC."""

    status = fields.String(validate=validate.OneOf(STATUSES))
    correlationId = fields.String()
    processKey = fields.String()
    processInstanceId = fields.String(allow_none=True)
    traceabilityId = fields.String()
    data = fields.Raw(allow_none=True)
    error = fields.Raw(allow_none=True)
    identifiers = fields.Raw(allow_none=True)
    incidentId = fields.String(allow_none=True)
    startedAt = fields.String()
    updatedAt = fields.String()
    finishedAt = fields.String(allow_none=True)


class CallbackAnswer(Schema):
    """What became of telling the callback how the process ended last."""

    url = fields.String(metadata={"description": "Without its query."})
    webhookId = fields.String(allow_none=True)
    status = fields.String(
        validate=validate.OneOf(["waiting", "pending", "delivered", "failed"]),
        metadata={"description": "`waiting` for the end, `pending` until delivered or given up."},
    )
    attempts = fields.Integer()
    nextAt = fields.String(allow_none=True, metadata={"description": "When it is tried again."})
    lastStatusCode = fields.Integer(allow_none=True)
    lastError = fields.String(allow_none=True)


class StatusAnswer(ListedAnswer):
    """What is known of a process, and where to go on. Times are RFC 3339, in UTC."""

    callback = fields.Nested(CallbackAnswer, allow_none=True)
    links = fields.Nested(Links)


class PageAnswer(Schema):
    """A page of processes, newest first; `nextCursor` is null on the last one."""

    processes = fields.List(fields.Nested(ListedAnswer))
    nextCursor = fields.String(allow_none=True)


class EventAnswer(Schema):
    """One attempt of a step, or one thing that ops did."""

    executionId = fields.String()
    batchId = fields.String(allow_none=True)
    traceabilityId = fields.String()
    applicationId = fields.String(allow_none=True)
    correlationId = fields.String(allow_none=True)
    processInstanceId = fields.String(allow_none=True)
    externalTaskId = fields.String(allow_none=True)
    phase = fields.String()
    actor = fields.String(allow_none=True)
    targetSystem = fields.String(allow_none=True)
    originatingSystem = fields.String(allow_none=True)
    processName = fields.String(allow_none=True)
    step = fields.Integer(allow_none=True)
    stepName = fields.String()
    businessActionRequest = fields.Raw(allow_none=True)
    businessActionResponse = fields.Raw(allow_none=True)
    identifiers = fields.Raw(allow_none=True)
    result = fields.String(allow_none=True)
    httpStatusCode = fields.Integer(allow_none=True)
    httpMethod = fields.String(allow_none=True)
    endpoint = fields.String(allow_none=True)
    metadata = fields.Raw(allow_none=True)
    errorDetails = fields.String(allow_none=True)
    lastUpdateId = fields.String(allow_none=True)
    executionTime = fields.Integer(allow_none=True, metadata={"description": "milliseconds"})
    createdAt = fields.String()
    updatedAt = fields.String()


class EventLogAnswer(Schema):
    """The events of one trace, in order."""

    eventLog = fields.List(fields.Nested(EventAnswer))
    nextCursor = fields.String(allow_none=True)


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


class LiveAnswer(Schema):
    """The web process is alive."""

    status = fields.String(validate=validate.OneOf(["alive"]))


class ReadyAnswer(Schema):
    """Which parts are away, and since when."""

    status = fields.String(validate=validate.OneOf(["ready", "degraded", "unavailable"]))
    parts = fields.Dict(metadata={"description": "Each part by name: `up`, `detail`, `since` if not `up`, and more."})
    topicsWithoutHandler = fields.Dict(metadata={"description": "Topics that nobody handles, by process key."})
    pausedTopics = fields.Dict(
        allow_none=True,
        metadata={"description": "Topics that ops have paused, and since when; null while the store is away."},
    )
    waitingRequests = fields.Integer()


class ProblemAnswer(Schema):
    """RFC 9457 problem details. `type` leads to a page that explains cause and cure."""

    class Meta:
        # RFC 9457, 3.2: clients ignore members that they do not know
        unknown = INCLUDE

    type = fields.String(required=True, metadata={"format": "uri-reference", "example": "/problems/invalid-fields"})
    title = fields.String(required=True)
    status = fields.Integer(required=True, validate=validate.Range(400, 599))
    detail = fields.String(required=True)
    instance = fields.String(required=True, metadata={"description": "The path that was asked for."})
    errors = fields.Dict(metadata={"description": "Messages per field: a list, or an object for a field with fields."})
    correlationId = fields.String()
    traceabilityId = fields.String()
    processInstanceId = fields.String()
    statusUrl = fields.String(metadata={"description": "Where the status of the process is."})
    currentStatus = fields.String(validate=validate.OneOf(STATUSES))
    error = fields.Dict(metadata={"description": "The error in which the process ended: `code`, `message`, ..."})
