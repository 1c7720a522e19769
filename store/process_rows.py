"""The rows of `process_store`: what a start writes, what queries return, how a process ends."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

PENDING, OK, ERROR, CANCELLED = "pending", "ok", "error", "cancelled"

STATUSES = (PENDING, OK, ERROR, CANCELLED)

#: who started a process: the facade, or somebody else in the engine
API, ENGINE = "api", "engine"
STARTERS = (API, ENGINE)


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """One row of `process_store`; times are in UTC, with their zone.

    Attributes:
        started_by: None for :data:`API`, which needs no value in the database; or :data:`ENGINE`.
    """

    seq: int
    id: uuid.UUID
    correlation_id: str
    request_hash: str
    process_key: str
    process_instance_id: str | None
    status: str
    claim_token: str | None
    claim_until: datetime | None
    engine_open: bool
    variables: dict[str, Any]
    result: Any
    error: dict[str, Any] | None
    incident_id: str | None
    callback_url: str | None
    batch_id: str | None
    traceability_id: str
    application_id: str | None
    identifiers: dict[str, Any] | None
    started_at: datetime
    updated_at: datetime
    finished_at: datetime | None
    priority: int = 0
    started_by: str | None = None
    rerun_of: str | None = None


@dataclass(frozen=True, slots=True)
class NewProcess:
    """An accepted start before it is written; each field but `searched` is the column of the same name.

    Attributes:
        identifiers: the identifiers in the variables, as answers show them.
        process_instance_id: the instance, if others started it in the engine. The others get theirs when it starts.
        started_by: see :class:`ProcessRow`.
        searched: the names and values to find the process by, see :func:`store.identifiers.as_texts`.
    """

    id: uuid.UUID
    correlation_id: str
    request_hash: str
    process_key: str
    variables: dict[str, Any]
    traceability_id: str
    batch_id: str | None = None
    application_id: str | None = None
    callback_url: str | None = None
    identifiers: dict[str, Any] | None = None
    priority: int = 0
    process_instance_id: str | None = None
    started_by: str | None = None
    rerun_of: str | None = None
    searched: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a process. `status` is ok, error or cancelled; `error` has code, message and details."""

    status: str
    result: Any = None
    error: dict[str, Any] | None = None
    identifiers: dict[str, Any] | None = None
    incident_id: str | None = None
    engine_open: bool = False
