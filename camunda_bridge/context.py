"""The execution context that a process carries in addition to business data, and the context that a handler gets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

#: name of the process variable that carries the execution context; clients can't set it
CONTEXT_VARIABLE = "executionContext"


@dataclass(frozen=True, slots=True)
class ExecutionContext:
    """The ids of the start that a step belongs to; set at the start, the same for every step of a process."""

    process_id: str | None = None
    correlation_id: str | None = None
    traceability_id: str | None = None
    batch_id: str | None = None
    application_id: str | None = None
    #: W3C Trace Context of the start; steps send it with their calls
    traceparent: str | None = None
    #: True when the start named a callback URL; the worker that settles needn't read the row to find out
    has_callback: bool = False
    #: key of the process that was started; a step of another key belongs to a process that it called
    process_key: str | None = None
    #: priority of the start
    priority: int = 0

    def to_variable(self) -> dict[str, Any]:
        """The value of the process variable. A diagram may read `priority` in it, so that is always there."""
        names: dict[str, Any] = {
            "processId": self.process_id,
            "correlationId": self.correlation_id,
            "traceabilityId": self.traceability_id,
            "batchId": self.batch_id,
            "applicationId": self.application_id,
            "traceparent": self.traceparent,
            "callback": "true" if self.has_callback else None,
            "processKey": self.process_key,
            "priority": self.priority,
        }
        return {name: value for name, value in names.items() if value is not None}

    @classmethod
    def from_variable(cls, value: Any) -> ExecutionContext:
        """From the process variable; empty for an instance that was started without the facade.

        Also empty when the process id in it isn't a UUID, because somebody else overwrote the variable.
        """
        if not isinstance(value, dict) or not _is_process_id(value.get("processId")):
            return cls()
        texts = {name: text for name, text in value.items() if isinstance(text, str)}
        priority = value.get("priority")
        return cls(
            texts.get("processId"),
            texts.get("correlationId"),
            texts.get("traceabilityId"),
            texts.get("batchId"),
            texts.get("applicationId"),
            texts.get("traceparent"),
            texts.get("callback") == "true",
            texts.get("processKey"),
            # `type` instead of `isinstance`, because True is an int too
            priority if type(priority) is int else 0,
        )


def _is_process_id(value: Any) -> bool:
    try:
        return value is None or bool(UUID(value))
    except (ValueError, TypeError, AttributeError):
        return False


@dataclass(frozen=True, slots=True)
class StepContext:
    """What a handler can read about its own attempt.

    `idempotency_key` is the same in every attempt of one step of one process. Send it with every call that changes
    another system: a worker may die after the call and before it reports the outcome, and then the call is repeated.

    Attributes:
        element_id: id of the element in the diagram; several elements may have the topic of one step.
        process_key: key of the process that has the element; of a called process it is not the one that was started.
        process_version: version of that process definition in the engine, from 1.
        version_tag: `camunda:versionTag` of that definition.
        business_key: business key of the instance.
        priority: `camunda:taskPriority` of the task.
        retries: retries left before this attempt, as the engine counts them; None before the first failure.
        start_priority: priority of the start.
        tenant_id: tenant of the instance.
        properties: the `camunda:properties` of the element.
    """

    correlation_id: str
    traceability_id: str
    process_instance_id: str
    step: str
    attempt: int
    idempotency_key: str
    traceparent: str | None = None
    element_id: str = ""
    process_key: str = ""
    process_version: int | None = None
    version_tag: str | None = None
    business_key: str | None = None
    priority: int = 0
    start_priority: int = 0
    retries: int | None = None
    tenant_id: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class CallRecord:
    """Shared by the partner calls of an attempt: they send `traceparent` on, and set the last HTTP status code."""

    http_status_code: int | None = None
    traceparent: str | None = None


_record: ContextVar[CallRecord | None] = ContextVar("call_record", default=None)


@contextmanager
def recording_calls(traceparent: str | None = None) -> Iterator[CallRecord]:
    """Collect the last HTTP status of the partner calls inside the block; those calls send `traceparent` on."""
    record = CallRecord(traceparent=traceparent)
    reset = _record.set(record)
    try:
        yield record
    finally:
        _record.reset(reset)


def current_record() -> CallRecord | None:
    """The record of the running attempt; None outside of an attempt."""
    return _record.get()
