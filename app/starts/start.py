"""Accepts a start: checks it, writes its row, enqueues it, waits for the end of the process."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Response, request
from marshmallow import ValidationError
from werkzeug.http import parse_list_header

from app.http.tracing import current_traceparent
from app.metrics import note_start
from app.responses.answers import answer
from app.responses.errors import describe_effect
from app.responses.links import links, status_url
from app.responses.maintenance import maintenance_document
from app.responses.problem import Problem
from app.responses.problem_types import (
    CORRELATION_ID_CONFLICT,
    DATABASE_AWAY,
    INVALID_FIELDS,
    MAINTENANCE,
    PROCESS_CANCELLED,
    PROCESS_ERROR,
    PROCESS_FAILED,
    TOO_MANY_STARTS,
)
from app.starts.callbacks import check_callback
from app.starts.requested import chosen_id, known_process, request_hash
from app.starts.waiting import Payload, Waiters
from service.catalogue import check_variables
from service.maintenance import MaintenanceWatch, refuses_starts, retry_after_s
from settings import Settings
from store.errors import DatabaseUnavailable
from store.event_rows import NewEvent
from store.identifiers import as_texts
from store.process_rows import CANCELLED, OK, PENDING, NewProcess, ProcessRow
from store.processes import ProcessStore
from tasks.broker.publish import send_start
from tasks.errors import BrokerUnavailable
from telemetry import log_context
from telemetry.crash_points import crash_point
from telemetry.logs.redaction import shown

#: error types and codes of technical errors, which ops have to fix; every other error is a business error
_TECHNICAL_TYPES = ("incident", "lost")
_TECHNICAL_CODES = ("PROCESS_NOT_DEPLOYED", "START_REFUSED")
#: digits of a wait in seconds, at most; longer ones are ignored
_MAX_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Preference:
    """How long to wait, in seconds, and the value of ``Preference-Applied`` (RFC 7240)."""

    wait_s: float
    applied: str | None = None


def preference(settings: Settings, *, default_s: float | None = None) -> Preference:
    """Read the request's ``Prefer`` headers. Unknown preferences are ignored (RFC 7240, section 2).

    Args:
        settings: `SYNC_TIMEOUT_MS` is the longest wait.
        default_s: the wait without a preference, in seconds; None for the longest wait.
    """
    preferences: dict[str, str] = {}
    # Each item is a preference with its parameters; a comma within quotes does not end it.
    for text in parse_list_header(", ".join(request.headers.getlist("Prefer"))):
        name, _, value = text.partition(";")[0].partition("=")
        # If a preference is given twice, the first one counts (RFC 7240, section 2).
        preferences.setdefault(name.strip().lower(), value.strip().strip('"'))
    ceiling = settings.sync_timeout_ms / 1000
    wait = preferences.get("wait", "")
    if wait.isascii() and wait.isdecimal() and len(wait) <= _MAX_DIGITS:
        seconds = int(wait)
        return Preference(min(seconds, ceiling), f"wait={seconds}" if seconds <= ceiling else None)
    if "respond-async" in preferences:
        return Preference(0.0, "respond-async")
    return Preference(ceiling if default_s is None else default_s)


class Starter:
    """Accepts starts for one web process."""

    #: seconds for which a count of unstarted rows is used
    COUNT_LIFETIME_S = 1.0

    def __init__(
        self, settings: Settings, processes: ProcessStore, waiters: Waiters, maintenance: MaintenanceWatch
    ) -> None:
        self._settings = settings
        self._maintenance = maintenance
        self._processes = processes
        self._waiters = waiters
        self._counted_at = float("-inf")
        self._unstarted = 0

    def start(self, body: dict[str, Any], labels: dict[str, str], preferred: Preference | None = None) -> Response:
        """Accept a start and answer it.

        Args:
            body: the body of the request.
            labels: the headers of the request, see :class:`app.schemas.starts.StartHeaders`.
            preferred: how long to wait for the end of the process; None for what the request prefers.

        Raises:
            Problem: the start is refused, the process ended with an error, or the database is unavailable.
        """
        # A refused start is logged with the id that its client sent.
        log_context.bind(correlation_id=body.get("correlationId") or labels.get("idempotency_key"))
        new = self._new_process(body, labels)
        return self.accept(new, preferred)

    def accept(self, new: NewProcess, preferred: Preference | None = None, events: Sequence[NewEvent] = ()) -> Response:
        """Accept a start that has been checked, or join the earlier one with its correlation id, and answer it.

        `events`: written together with the row. `preferred` and the exceptions: see :meth:`start`.
        """
        log_context.bind(correlation_id=new.correlation_id, traceability_id=new.traceability_id)
        try:
            return self._start(new, preferred, events)
        except DatabaseUnavailable as error:
            # Return the correlation id, which the client may not know: a start that is sent again without it would run
            # the process a second time.
            raise Problem(
                DATABASE_AWAY,
                f"{describe_effect(error)}; send the start again with this correlation id",
                headers={"Retry-After": str(self._settings.retry_after_s)},
                correlationId=new.correlation_id,
                statusUrl=status_url(new.correlation_id),
            ) from error

    def _start(self, new: NewProcess, preferred: Preference | None, events: Sequence[NewEvent]) -> Response:
        preferred = preferred or preference(self._settings)
        if self._maintenance.current() is not None:
            # It would wait in vain: no process ends unless its last step runs already.
            preferred = Preference(0.0)
        payload = None
        with self._waiters.waiting(new.id) as wait:
            if accepted := self._accept(new, events):
                note_start(new.process_key, "accepted")
                crash_point("start: row written, not enqueued")
                try:
                    send_start(
                        new.id,
                        process_key=new.process_key,
                        correlation_id=new.correlation_id,
                        priority=new.priority,
                        traceparent=current_traceparent(),
                    )
                    payload = wait.result(preferred.wait_s) if wait is not None and preferred.wait_s > 0 else None
                except BrokerUnavailable:
                    # The row is written, so the reconciler sends the start when the broker is available again.
                    payload = None
        if not accepted:
            return self._join(new, preferred)
        return self._answer(payload, new.correlation_id, new.traceability_id, preferred)

    def wait_for(self, row: ProcessRow, preferred: Preference) -> ProcessRow:
        """Wait until the process ends or the preferred time is over, and return its current row."""
        if row.status != PENDING or preferred.wait_s <= 0:
            return row
        with self._waiters.waiting(row.id) as wait:
            # The process may have ended before the wait was registered, so read the row again.
            again = self._processes.by_id(row.id) or row
            if again.status == PENDING and wait is not None:
                wait.result(preferred.wait_s)
                again = self._processes.by_id(row.id) or row
        return again

    def _new_process(self, body: dict[str, Any], labels: dict[str, str]) -> NewProcess:
        process = known_process(body["processKey"])
        try:
            check_variables(process, body["variables"])
        except ValidationError as error:
            raise Problem(
                INVALID_FIELDS,
                "errors names each wrong field",
                errors={"variables": error.messages_dict},
            ) from None
        callback_url = body.get("callbackUrl")
        check_callback(callback_url, self._settings)
        correlation_id = chosen_id(body, labels)
        identifiers = process.identifiers_in(shown(body["variables"]))
        return NewProcess(
            id=uuid.uuid4(),
            correlation_id=correlation_id or str(uuid.uuid4()),
            request_hash=request_hash(process.key, body["variables"], callback_url),
            process_key=process.key,
            variables=body["variables"],
            traceability_id=labels.get("traceability_id") or str(uuid.uuid4()),
            batch_id=labels.get("batch_id"),
            application_id=labels.get("application_id"),
            callback_url=callback_url,
            priority=body["priority"],
            identifiers=identifiers or None,
            searched=as_texts(identifiers),
        )

    def _accept(self, new: NewProcess, events: Sequence[NewEvent]) -> bool:
        maintenance = self._maintenance.current()
        if maintenance is not None and refuses_starts(maintenance):
            if self._processes.by_correlation_id(new.correlation_id) is not None:
                return False
            raise Problem(
                MAINTENANCE,
                f"{maintenance.reason}; the start was not accepted",
                headers={"Retry-After": str(retry_after_s(maintenance))},
                correlationId=new.correlation_id,
            )
        if self._count_unstarted() >= self._settings.max_pending_starts:
            if self._processes.by_correlation_id(new.correlation_id) is not None:
                return False
            raise Problem(
                TOO_MANY_STARTS,
                f"{self._settings.max_pending_starts} starts are waiting, which is the limit",
                headers={"Retry-After": str(self._settings.retry_after_s)},
            )
        accepted = self._processes.accept(new, events)
        # Count each accepted start until the next query, so that a burst of starts does not exceed the limit.
        self._unstarted += accepted
        return accepted

    def _count_unstarted(self) -> int:
        now = time.monotonic()
        if now - self._counted_at > self.COUNT_LIFETIME_S:
            self._counted_at = now
            self._unstarted = self._processes.count_unstarted()
        return self._unstarted

    def _join(self, new: NewProcess, preferred: Preference) -> Response:
        row = self._processes.by_correlation_id(new.correlation_id)
        if row is None or row.request_hash != new.request_hash:
            raise Problem(
                CORRELATION_ID_CONFLICT,
                "an earlier start has this correlation id, but another process, other variables or another callbackUrl",
                correlationId=new.correlation_id,
                statusUrl=status_url(new.correlation_id),
            )
        note_start(new.process_key, "joined")
        row = self.wait_for(row, preferred)
        payload = None if row.status == PENDING else payload_of(row)
        return self._answer(payload, row.correlation_id, row.traceability_id, preferred, replayed=True)

    def _answer(
        self,
        payload: Payload | None,
        correlation_id: str,
        traceability_id: str,
        preferred: Preference,
        *,
        replayed: bool = False,
    ) -> Response:
        headers = {"Preference-Applied": preferred.applied} if preferred.applied else {}
        if replayed:
            headers["Idempotency-Replayed"] = "true"
        if payload is None:
            location = status_url(correlation_id)
            headers |= {"Location": location, "Retry-After": str(self._settings.retry_after_s)}
            body = {
                "status": PENDING,
                "correlationId": correlation_id,
                "traceabilityId": traceability_id,
                "statusUrl": location,
                "links": links(correlation_id, traceability_id),
                "maintenance": maintenance_document(self._maintenance.shown()),
            }
            return answer(body, 202, headers)
        if payload["status"] != OK:
            raise _failure(payload, correlation_id, traceability_id, headers)
        body = {
            "status": OK,
            "correlationId": correlation_id,
            "processInstanceId": payload["processInstanceId"],
            "traceabilityId": traceability_id,
            "result": payload["result"],
        }
        return answer(body, 200, headers)


def payload_of(row: ProcessRow) -> Payload:
    """The payload of an ended row, as the result backend publishes it."""
    return {
        "status": row.status,
        "correlationId": row.correlation_id,
        "traceabilityId": row.traceability_id,
        "processInstanceId": row.process_instance_id,
        "result": row.result,
        "error": row.error,
    }


def is_technical(error: Any) -> bool:
    """True if the error of a process is technical, so that ops have to fix its cause; False for a business error."""
    if not isinstance(error, dict):
        return False
    return error.get("type") in _TECHNICAL_TYPES or error.get("code") in _TECHNICAL_CODES


def field_errors(error: dict[str, Any]) -> dict[str, Any] | None:
    """The messages by field, if a schema refused the input or the output of a step; otherwise None."""
    details = error.get("details")
    for found in (error.get("errors"), details.get("errors") if isinstance(details, dict) else None):
        if isinstance(found, dict) and found:
            return found
    return None


def _failure(payload: Payload, correlation_id: str, traceability_id: str, headers: dict[str, str]) -> Problem:
    error = payload.get("error") or {}
    kind = PROCESS_FAILED
    if payload["status"] == CANCELLED:
        kind = PROCESS_CANCELLED
    elif is_technical(error):
        kind = PROCESS_ERROR
    return Problem(
        kind,
        str(error.get("message") or f"the process ended as {payload['status']}"),
        errors=field_errors(error),
        headers=headers,
        correlationId=correlation_id,
        traceabilityId=traceability_id,
        processInstanceId=payload.get("processInstanceId"),
        statusUrl=status_url(correlation_id),
        error=error or None,
    )
