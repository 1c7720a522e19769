"""Settle: end the row of a process, once, and wake its waiters. The row decides; the key in Redis only wakes."""

from __future__ import annotations

import json
import logging
import uuid
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from sqlalchemy.engine import Connection

from store.event_rows import COMPLETED, OPS, AttemptKey, NewEvent
from store.events import close
from store.process_rows import CANCELLED, ERROR, Ending, ProcessRow
from tasks.broker.notify import notify_watchers
from tasks.broker.publish import BROKER_ERRORS
from tasks.broker.results import open_result, publish_result
from tasks.processes import metric_label
from tasks.runtime import runtime
from tasks.webhooks.outbox import enqueue, write_delivery
from telemetry import tracing
from telemetry.crash_points import crash_point
from telemetry.logs.redaction import shown, shown_error
from telemetry.metrics import declared

log = logging.getLogger(__name__)

#: largest result in the key, in bytes; for a larger one the key only names the row
MAX_KEY_BYTES = 64 * 1024
#: the actor of what the system does by itself
OURSELVES = "celery-camunda"


def settle_step(
    process_id: uuid.UUID,
    ending: Ending,
    *,
    process_key: str,
    process_instance_id: str,
    correlation_id: str,
    traceability_id: str,
    confirm: AttemptKey,
    has_callback: bool = False,
) -> bool:
    """End the row of a process and close the attempt of its response step, in one transaction; then wake the waiters.

    Reads no row. False, and nothing is written, when the row has ended, has another instance or none yet, or when
    another outcome of it may have been accepted before.

    `has_callback`: a webhook is to be sent, and is written in the same transaction.
    """
    ending = _shown(ending)
    with _traced(ending, correlation_id), runtime().database.write() as connection:
        won = runtime().processes.settle(
            process_id,
            ending,
            process_instance_id=process_instance_id,
            connection=connection,
            only_answer_is_of=confirm.external_task_id,
        )
        if won:
            close(connection, confirm, COMPLETED)
        claim = write_delivery(connection, process_id) if won and has_callback else None
    if won:
        declared.ENDED.labels(process_key, ending.status).inc()
        crash_point("settle: row ended, result not published")
        publish_end(process_id, ending, correlation_id, traceability_id, process_instance_id)
    if claim is not None:
        crash_point("settle: webhook written, not enqueued")
        enqueue(claim)
    return won


def settle(
    row: ProcessRow,
    ending: Ending,
    *,
    as_found: bool = False,
    event: NewEvent | None = None,
    confirm: AttemptKey | None = None,
    by_ops: bool = False,
) -> bool:
    """End a row that has not ended yet; then wake the waiters. False when it had ended before.

    `as_found`: the end was derived from the engine's history.
    `event`: who ended it, for the event log; written in the same transaction.
    `confirm`: the attempt whose outcome this is, accepted by the engine; it is closed in any case.
    `by_ops`: see :meth:`store.processes.ProcessStore.settle`.
    """
    ending = _shown(ending)
    with _traced(ending, row.correlation_id), runtime().database.write() as connection:
        won = runtime().processes.settle(row.id, ending, connection=connection, by_ops=by_ops)
        if confirm is not None:
            close(connection, confirm, COMPLETED)
        claim = write_delivery(connection, row.id) if won and row.callback_url is not None else None
        if won and event is not None:
            runtime().events.record(event, connection=connection)
        actor = OURSELVES if event is None or event.actor is None else event.actor
        was_late = not won and _record_lost_race(connection, row.id, ending, actor=actor, as_found=as_found)
    if won:
        declared.ENDED.labels(metric_label(row.process_key), ending.status).inc()
        crash_point("settle: row ended from outside, result not published")
        publish_end(row.id, ending, row.correlation_id, row.traceability_id, row.process_instance_id)
    elif was_late or confirm is not None:
        notify_watchers(row.correlation_id)
    if claim is not None:
        crash_point("settle: webhook of an end from outside written, not enqueued")
        enqueue(claim)
    return won


def publish_end(
    process_id: uuid.UUID,
    ending: Ending,
    correlation_id: str,
    traceability_id: str,
    process_instance_id: str | None,
) -> None:
    """Resolve the AsyncResult of the start. If Redis is unavailable, the waiters read the row."""
    payload: dict[str, Any] = {
        "status": ending.status,
        "correlationId": correlation_id,
        "traceabilityId": traceability_id,
        "processInstanceId": process_instance_id,
        "result": ending.result,
        "error": ending.error,
    }
    if len(json.dumps(payload, ensure_ascii=False).encode()) > MAX_KEY_BYTES:
        payload = {"status": ending.status, "row": str(process_id)}
    try:
        publish_result(process_id, payload)
    except BROKER_ERRORS as error:
        log.warning("result of %s not published, waiters read the row: %s", correlation_id, error)


def reopen(row: ProcessRow, event: NewEvent, *, was_found: bool = False) -> bool:
    """Make a row `pending` again that ended with an incident, and delete its result; `event` says who did it.

    False when the row has this incident no more: it stays as it is. The event is written all the same, unless
    `was_found`: the caller has retried nothing, but found that the engine has the incident no more.
    """
    with runtime().database.write() as connection:
        reopened = runtime().processes.reopen(row.id, incident_id=row.incident_id, connection=connection)
        if reopened or not was_found:
            runtime().events.record(event, connection=connection)
    notify_watchers(row.correlation_id)
    if reopened:
        declared.REOPENED.labels(metric_label(row.process_key)).inc()
        try:
            open_result(row.id)
        except BROKER_ERRORS as error:
            log.warning("old result of %s not deleted, it expires: %s", row.correlation_id, error)
    return reopened


def _record_lost_race(
    connection: Connection, process_id: uuid.UUID, ending: Ending, *, actor: str = OURSELVES, as_found: bool = False
) -> bool:
    """Record that a process had ended otherwise before; False when both ends are the same."""
    row = runtime().processes.by_id(process_id, connection=connection)
    if row is None or row.status == ending.status:
        return False
    # An instance that was deleted because its row had ended looks cancelled in the history, and the history does not
    # know which step declares an error. Neither is a different end.
    if as_found and (ending.status == CANCELLED or row.status == ERROR):
        return False
    log.warning(
        "process %s has ended as %s before, its end as %s is recorded only",
        row.correlation_id,
        row.status,
        ending.status,
    )
    event = ops_event(
        row,
        actor=actor,
        step_name="settle",
        result=f"the process is {row.status} already; its end as {ending.status} came too late",
        business_action_response={"status": ending.status, "result": ending.result, "error": ending.error},
    )
    runtime().events.record(event, connection=connection)
    return True


def ops_event(row: ProcessRow, *, actor: str, step_name: str, result: str, **columns: Any) -> NewEvent:
    """An event of ops about a process: who did what."""
    return NewEvent(
        traceability_id=row.traceability_id,
        correlation_id=row.correlation_id,
        process_instance_id=row.process_instance_id,
        phase=OPS,
        actor=actor,
        step_name=step_name,
        result=result,
        **shown(columns),
    )


def record_ops(event: NewEvent) -> None:
    """Write an event that belongs to no change of a row, and wake the watchers of its process."""
    runtime().events.record(event)
    if event.correlation_id is not None:
        notify_watchers(event.correlation_id)


def _traced(ending: Ending, correlation_id: str) -> AbstractContextManager[object]:
    attributes = {"correlation.id": correlation_id, "process.status": ending.status}
    return tracing.span("settle", attributes=attributes, only_within=True)


def _shown(ending: Ending) -> Ending:
    # The result is for the client and is not redacted.
    return ending if ending.error is None else replace(ending, error=shown_error(ending.error))
