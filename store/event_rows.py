"""The rows of `event_log`: what an attempt writes, and what queries return."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

STARTED, COMPLETING, COMPLETED = "started", "completing", "completed"
BPMN_ERROR, FAILED, LOST, OUTCOME_UNKNOWN, OPS = "bpmn-error", "failed", "lost", "outcome-unknown", "ops"
OPEN_PHASES = (STARTED, COMPLETING)
#: key in the metadata of a lost attempt: its worker was shut down, stopped the attempt and unlocked the task
RELEASED = "released"
#: key in the metadata of an attempt: fields that its handler returned and that its output schema does not have
DROPPED_FIELDS = "droppedFields"


@dataclass(frozen=True, slots=True)
class AttemptKey:
    """The key of one attempt of a step: the external task, and the lock token under which it was fetched."""

    external_task_id: str
    lock_token: str


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event before it is written; each field is the column of the same name."""

    traceability_id: str
    step_name: str
    phase: str = STARTED
    batch_id: str | None = None
    application_id: str | None = None
    correlation_id: str | None = None
    process_instance_id: str | None = None
    external_task_id: str | None = None
    lock_token: str | None = None
    actor: str | None = None
    target_system: str | None = None
    originating_system: str | None = None
    process_name: str | None = None
    step: int | None = None
    business_action_request: Any = None
    business_action_response: Any = None
    identifiers: dict[str, Any] | None = None
    result: str | None = None
    http_status_code: int | None = None
    http_method: str | None = None
    endpoint: str | None = None
    metadata: dict[str, Any] | None = None
    error_details: str | None = None
    last_update_id: str | None = None
    execution_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """A change of the row of an attempt; `execution_time` in milliseconds.

    Attributes:
        kept_outcome: what another attempt needs to deliver the outcome, if the other columns hold it redacted. It is
            deleted when the attempt is closed as delivered.
        process_status: for a response step, the status that its process gets when the engine has accepted the
            completion.
    """

    phase: str
    business_action_response: Any = None
    identifiers: dict[str, Any] | None = None
    result: str | None = None
    http_status_code: int | None = None
    metadata: dict[str, Any] | None = None
    error_details: str | None = None
    execution_time: int | None = None
    kept_outcome: dict[str, Any] | None = None
    process_status: str | None = None


@dataclass(frozen=True, slots=True)
class EarlierAttempt:
    """An attempt of the same external task under another lock token."""

    lock_token: str
    phase: str
    business_action_response: Any
    metadata: dict[str, Any] | None
    identifiers: dict[str, Any] | None
    kept_outcome: dict[str, Any] | None = None
    error_details: str | None = None


@dataclass(frozen=True, slots=True)
class OpenAnswer:
    """A written outcome of a response step, of which it isn't known yet whether the engine accepted it.

    `process_status`: the status that its process gets when the engine has accepted it.
    """

    seq: int
    attempt: AttemptKey
    process_status: str
    document: Any
    identifiers: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class PhaseRow:
    """The phase of one event, without input and output of the step; `error` is None unless the attempt failed."""

    seq: int
    execution_id: uuid.UUID
    external_task_id: str | None
    phase: str
    actor: str | None
    step: int | None
    step_name: str
    result: str | None
    http_status_code: int | None
    execution_time: int | None
    created_at: datetime
    updated_at: datetime
    error: Any


@dataclass(frozen=True, slots=True)
class EventRow:
    """One row of `event_log`; times are in UTC, with their zone."""

    seq: int
    execution_id: uuid.UUID
    batch_id: str | None
    traceability_id: str
    application_id: str | None
    correlation_id: str | None
    process_instance_id: str | None
    external_task_id: str | None
    lock_token: str | None
    phase: str
    actor: str | None
    target_system: str | None
    originating_system: str | None
    process_name: str | None
    step: int | None
    step_name: str
    business_action_request: Any
    business_action_response: Any
    identifiers: dict[str, Any] | None
    result: str | None
    http_status_code: int | None
    http_method: str | None
    endpoint: str | None
    metadata: dict[str, Any] | None
    error_details: str | None
    last_update_id: str | None
    execution_time: int | None
    created_at: datetime
    updated_at: datetime
