"""What travels with a process beside its business data, and what a handler may ask about its own attempt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from uuid import UUID

#: the process variable that carries the execution context; clients cannot set it
CONTEXT_VARIABLE = "executionContext"


@dataclass(frozen=True, slots=True)
class ExecutionContext:
    """Who a step works for: set at the start, the same for every step of a process."""

    process_id: str | None = None
    correlation_id: str | None = None
    traceability_id: str | None = None
    batch_id: str | None = None
    application_id: str | None = None
    #: W3C Trace Context of the start, for the calls that steps make
    traceparent: str | None = None
    #: somebody is to be told the end: whoever settles need not ask the row
    has_callback: bool = False
    #: of the process that was started: a step of another one is in a process that it called
    process_key: str | None = None

    def to_variable(self) -> dict[str, str]:
        """As the value of the process variable."""
        names = {
            "processId": self.process_id,
            "correlationId": self.correlation_id,
            "traceabilityId": self.traceability_id,
            "batchId": self.batch_id,
            "applicationId": self.application_id,
            "traceparent": self.traceparent,
            "callback": "true" if self.has_callback else None,
            "processKey": self.process_key,
        }
        return {name: value for name, value in names.items() if value is not None}

    @classmethod
    def from_variable(cls, value: Any) -> ExecutionContext:
        """From the process variable; empty for an instance that was started past the facade.

        Empty too where somebody else has written over it: a process id that is none would lead nowhere.
        """
        if not isinstance(value, dict) or not _is_process_id(value.get("processId")):
            return cls()
        texts = {name: text for name, text in value.items() if isinstance(text, str)}
        return cls(
            texts.get("processId"),
            texts.get("correlationId"),
            texts.get("traceabilityId"),
            texts.get("batchId"),
            texts.get("applicationId"),
            texts.get("traceparent"),
            texts.get("callback") == "true",
            texts.get("processKey"),
        )


def _is_process_id(value: Any) -> bool:
    try:
        return value is None or bool(UUID(value))
    except (ValueError, TypeError, AttributeError):
        return False


@dataclass(frozen=True, slots=True)
class StepContext:
    """What a handler may know about its own attempt.

    `idempotency_key` is the same in every attempt of one step of one process: send it with every outside effect, since
    a worker may die after the effect and before it could say so.
    """

    correlation_id: str
    traceability_id: str
    process_instance_id: str
    step: str
    attempt: int
    idempotency_key: str
    traceparent: str | None = None


@dataclass(slots=True)
class CallRecord:
    """What the partner calls of an attempt pass on, and what they leave for its event: the last HTTP status code."""

    http_status_code: int | None = None
    traceparent: str | None = None


_record: ContextVar[CallRecord | None] = ContextVar("call_record", default=None)


@contextmanager
def recording_calls(traceparent: str | None = None) -> Iterator[CallRecord]:
    """Collect what partner calls leave, inside the block; they send `traceparent` on."""
    record = CallRecord(traceparent=traceparent)
    reset = _record.set(record)
    try:
        yield record
    finally:
        _record.reset(reset)


def current_record() -> CallRecord | None:
    """The record of the running attempt; None outside of one."""
    return _record.get()
