"""Processes: requests about one process or a list, and the answers."""

from __future__ import annotations

from marshmallow import INCLUDE, Schema, ValidationError, fields, validate, validates
from webargs.fields import DelimitedList

from app.schemas.fields import (
    _CORRELATION_ID_META,
    MAX_NAMED_VALUE,
    NAMED_VALUE,
    SOME_TEXT,
    BoundOfTime,
    IdentifierQuery,
    QueryBoolean,
    QueryInteger,
    SearchText,
    Strict,
    check_correlation_id,
)
from app.schemas.maintenance import MaintenanceInfo
from store.process_rows import ERROR, OK, STARTERS, STATUSES


class CompleteRequest(Strict):
    """End a process with a result or an error."""

    correlationId = fields.String(required=True, validate=check_correlation_id, metadata=_CORRELATION_ID_META)
    status = fields.String(required=True, validate=validate.OneOf([OK, ERROR]))
    data = fields.Raw(load_default=None, allow_none=True, metadata={"description": "The result, with status `ok`."})
    error = fields.Dict(
        load_default=None,
        allow_none=True,
        metadata={
            "description": "The error, with status `error`.",
            "required": ["message"],
            "properties": {"message": {"type": "string"}},
        },
    )

    @validates("error")
    def _named(self, value: dict[str, object] | None, data_key: str) -> None:
        if value is not None and not isinstance(value.get("message"), str):
            raise ValidationError("Must have a message, which is a string.")


class CancelRequest(Strict):
    """Why a process is cancelled."""

    #: StrictParser reads it: an empty body counts as an empty object
    body_is_optional = True

    reason = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(1, 500),
        metadata={
            "description": "It becomes the message in the `error` of the process.",
            "example": "the order was withdrawn",
        },
    )


class SuspendRequest(Strict):
    """Why a process or a definition is suspended."""

    #: StrictParser reads it: an empty body counts as an empty object
    body_is_optional = True

    reason = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(1, 500),
        metadata={"description": "The event log shows it.", "example": "the customer disputes the order"},
    )


class MessageRequest(Strict):
    """Deliver a message to a process that waits for it."""

    messageName = fields.String(required=True, validate=validate.Length(1, 200), metadata={"example": "payment"})
    variables = fields.Dict(
        keys=fields.String(),
        load_default=dict,
        metadata={"description": "They become variables of the process instance."},
    )


class ListQuery(Strict):
    """Which processes to list."""

    identifier = IdentifierQuery(
        metadata={
            "description": "`name:value`: processes with this identifier. `name:value*`: its value begins so.",
            "type": "string",
            "pattern": NAMED_VALUE,
            "maxLength": MAX_NAMED_VALUE,
        },
    )
    q = SearchText(
        validate=validate.Length(1, 200),
        metadata={
            "pattern": SOME_TEXT,
            "description": "The correlation id, the value of any identifier, or `name:value` of one begins with this.",
        },
    )
    startedAfter = BoundOfTime(metadata={"description": "Started at this time (ISO 8601 with zone) or later."})
    startedBefore = BoundOfTime(metadata={"description": "Started before this time (ISO 8601 with zone)."})
    status = DelimitedList(
        fields.String(validate=validate.OneOf(STATUSES)),
        validate=validate.Length(1, 10),
        metadata={"description": "One status, or several with commas between them."},
    )
    processKey = fields.String(validate=validate.Length(1, 200))
    incident = QueryBoolean(
        metadata={
            "description": "`true`: processes with an open incident. `false`: without; with `status=error` those that "
            "ended in an error which no retry repairs, such as a business error."
        }
    )
    batchId = fields.String(validate=validate.Length(1, 200))
    applicationId = fields.String(validate=validate.Length(1, 200))
    errorCode = fields.String(
        validate=validate.Length(1, 200),
        metadata={"description": "The `code` of the error; `INCIDENT` of an incident."},
    )
    failedStep = fields.String(
        validate=validate.Length(1, 200), metadata={"description": "The name of the step that has the incident."}
    )
    startedBy = fields.String(
        validate=validate.OneOf(STARTERS),
        metadata={"description": "`api`: started by a call of this API. `engine`: started by others in the engine."},
    )
    count = QueryBoolean(
        load_default=False, metadata={"description": "`true`: the answer tells how many processes match."}
    )
    limit = QueryInteger(load_default=50, validate=validate.Range(1, 500))
    cursor = fields.String(validate=validate.Length(1, 200))


class Links(Schema):
    """Paths of further requests about the process."""

    status = fields.String()
    events = fields.String()
    eventLog = fields.String()
    cancel = fields.String()


class ListedAnswer(Schema):
    """A process. Times are RFC 3339, in UTC."""

    status = fields.String(validate=validate.OneOf(STATUSES))
    correlationId = fields.String()
    processKey = fields.String()
    processInstanceId = fields.String(allow_none=True)
    traceabilityId = fields.String()
    data = fields.Raw(allow_none=True)
    error = fields.Raw(allow_none=True)
    identifiers = fields.Raw(allow_none=True)
    incidentId = fields.String(allow_none=True)
    priority = fields.Integer(metadata={"description": "The priority of its start."})
    startedBy = fields.String(
        validate=validate.OneOf(STARTERS),
        metadata={
            "description": "`api`: started by a call of this API. `engine`: others started it in the engine, such as "
            "Cockpit, a timer or a message; it is listed from its first step that runs here."
        },
    )
    rerunOf = fields.String(
        allow_none=True,
        metadata={"description": "The correlation id of the ended process of which it is a rerun."},
    )
    startedAt = fields.String()
    updatedAt = fields.String()
    finishedAt = fields.String(allow_none=True)


class CallbackAnswer(Schema):
    """The delivery of the webhook about the last end of the process."""

    url = fields.String(metadata={"description": "Without its query."})
    webhookId = fields.String(allow_none=True)
    status = fields.String(
        validate=validate.OneOf(["waiting", "pending", "delivered", "failed"]),
        metadata={
            "description": "`waiting`: the process has not ended. `pending`: the webhook is sent, or sent again, until "
            "it is `delivered` or its attempts are used up (`failed`)."
        },
    )
    attempts = fields.Integer()
    nextAt = fields.String(allow_none=True, metadata={"description": "The time of the next attempt."})
    lastStatusCode = fields.Integer(allow_none=True)
    lastError = fields.String(allow_none=True)


class StatusQuery(Schema):
    """What the status shows besides the process."""

    active = fields.Boolean(
        load_default=False,
        metadata={
            "description": "`true`: while the process runs, `active` has its active elements. The engine is asked for "
            "them, within three seconds."
        },
    )


class WaitField(Schema):
    """A variable that the steps behind a message read, and that neither the start nor a step provides."""

    class Meta:
        unknown = INCLUDE

    name = fields.String()
    type = fields.String(allow_none=True)
    required = fields.Boolean()
    fields_ = fields.List(
        fields.Nested("WaitField"), data_key="fields", metadata={"description": "Of an object: its members."}
    )


class Wait(Schema):
    """What an element waits for. Which members it has depends on `kind`."""

    class Meta:
        unknown = INCLUDE

    kind = fields.String(
        metadata={
            "description": "`message`, `signal` or `condition` (`name`, `event`; a message has `fields`), `timer` "
            "(`due`, `event`), `person` (`task`, `taskId`, `assignee`, `candidateUsers`, `candidateGroups`, `due`), "
            "`worker` (`topic`, `running`, `handled`, `paused`, `limitReached`), `retry` (`retry` of `of`, `left`, "
            "`at`, `message`, `topic`), `incident` (`message`), `job` of the engine (`at`), `process` that was called "
            "(`processInstanceId`)."
        }
    )
    name = fields.String(allow_none=True, metadata={"description": "Of the message or signal."})
    event = fields.String(metadata={"description": "Id of the event that catches it."})
    fields_ = fields.List(fields.Nested(WaitField), data_key="fields")
    due = fields.String(allow_none=True)
    at = fields.String(allow_none=True, metadata={"description": "When the next attempt begins."})
    task = fields.String(allow_none=True, metadata={"description": "The name of the user task."})
    taskId = fields.String()
    assignee = fields.String(allow_none=True)
    candidateUsers = fields.List(fields.String())
    candidateGroups = fields.List(fields.String())
    topic = fields.String()
    running = fields.Boolean(metadata={"description": "A worker has the task."})
    handled = fields.Boolean(metadata={"description": "This installation has a handler for the topic."})
    paused = fields.Boolean()
    limitReached = fields.Boolean()
    retry = fields.Integer(allow_none=True, metadata={"description": "The number of the next retry, from 1."})
    of = fields.Integer(allow_none=True, metadata={"description": "How many retries the step has."})
    left = fields.Integer(allow_none=True, metadata={"description": "How many retries are left."})
    message = fields.String(allow_none=True, metadata={"description": "Why the last attempt failed."})
    processInstanceId = fields.String()


class ElementAnswer(Schema):
    """An element of the diagram at which the process is."""

    id = fields.String()
    name = fields.String(allow_none=True)
    kind = fields.String(metadata={"description": "The BPMN element, such as `userTask`."})
    since = fields.String(allow_none=True)
    count = fields.Integer(metadata={"description": "How many instances it has: several in a multi-instance or loop."})
    processKey = fields.String(metadata={"description": "Of the process started, or of one that it called."})
    waitsFor = fields.List(fields.Nested(Wait))


class ActiveAnswer(Schema):
    """Where a process stands: its innermost active elements, and scopes around them that wait for something."""

    elements = fields.List(fields.Nested(ElementAnswer))
    suspended = fields.Boolean(
        metadata={"description": "True: nothing in it goes on until it, or its process definition, is resumed."}
    )
    note = fields.String(allow_none=True, metadata={"description": "What is missing, and why: the engine is away."})


class StatusAnswer(ListedAnswer):
    """A process, its callback and its links. Times are RFC 3339, in UTC."""

    active = fields.Nested(
        ActiveAnswer,
        allow_none=True,
        metadata={
            "description": "With `?active=true`; null without it, and if the process has ended without an incident."
        },
    )
    reruns = fields.List(
        fields.String(),
        metadata={"description": "The correlation ids of its newest 20 reruns, newest first."},
    )
    callback = fields.Nested(CallbackAnswer, allow_none=True)
    links = fields.Nested(Links)
    maintenance = fields.Nested(
        MaintenanceInfo,
        allow_none=True,
        metadata={
            "description": "Not null in the status of a process that has not ended while the service is in maintenance."
        },
    )


class PageAnswer(Schema):
    """A page of processes, newest first; `nextCursor` is null on the last one."""

    processes = fields.List(fields.Nested(ListedAnswer))
    nextCursor = fields.String(allow_none=True)
    truncated = fields.Boolean(
        metadata={
            "description": "True: more ids or identifiers begin with the text than a search reads, so processes may be "
            "missing. Search for a longer text."
        }
    )
    count = fields.Integer(
        allow_none=True,
        metadata={
            "description": "How many processes match, on all pages; 1001 means more than 1,000. Null without `count`."
        },
    )
