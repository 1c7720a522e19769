"""Settle: end a process's row, once, and wake whoever waits for it. The row is the truth, the Redis key a wake-up."""

from __future__ import annotations

import json
import logging
import uuid
from typing import Any

from camunda_bridge.endings import end_of
from metrics import declared
from store.events import OPS, AttemptKey, NewEvent, close
from store.processes import CANCELLED, ERROR, OK, Ending, ProcessRow
from tasks import app
from tasks.publish import BROKER_AWAY
from tasks.runtime import runtime
from tasks.webhooks.outbox import enqueue, write_delivery

log = logging.getLogger(__name__)

#: a larger result stays in the row, and the key only points there, in bytes
MAX_KEY_BYTES = 64 * 1024


def settle_step(
    process_id: uuid.UUID,
    ending: Ending,
    *,
    process_key: str,
    process_instance_id: str,
    correlation_id: str,
    traceability_id: str,
    confirm: AttemptKey,
    confirmed_phase: str,
    has_callback: bool = False,
) -> bool:
    """End the row of a response step's process, and the step's attempt, in one transaction; then wake the waiters.

    `has_callback`: somebody else is to be told too, which is written down in the same transaction.
    """
    with runtime().database.write() as connection:
        close(connection, confirm, confirmed_phase)
        won = runtime().processes.settle(
            process_id,
            ending,
            process_instance_id=process_instance_id,
            connection=connection,
        )
        claim = write_delivery(connection, process_id) if won and has_callback else None
    if won:
        declared.ENDED.labels(process_key, ending.status).inc()
        wake(process_id, ending, correlation_id, traceability_id, process_instance_id)
    else:
        lost_race(process_id, ending)
    if claim is not None:
        enqueue(claim)
    return won


def settle(row: ProcessRow, ending: Ending, *, as_found: bool = False) -> bool:
    """End a row if it has not ended otherwise meanwhile; then wake the waiters. False when the race was lost.

    `as_found`: see :meth:`store.processes.ProcessStore.settle`.
    """
    with runtime().database.write() as connection:
        won = runtime().processes.settle(row.id, ending, connection=connection, as_found=as_found)
        claim = write_delivery(connection, row.id) if won and row.callback_url is not None else None
    if not won:
        if not as_found:
            lost_race(row.id, ending)
        return False
    declared.ENDED.labels(row.process_key, ending.status).inc()
    wake(row.id, ending, row.correlation_id, row.traceability_id, row.process_instance_id)
    if claim is not None:
        enqueue(claim)
    return True


def wake(
    process_id: uuid.UUID,
    ending: Ending,
    correlation_id: str,
    traceability_id: str,
    process_instance_id: str | None,
) -> None:
    """Resolve the open AsyncResult of the start. Redis away: the waiters find the row by themselves."""
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
        app.backend.store_result(str(process_id), payload, "SUCCESS")
    except BROKER_AWAY as error:
        log.warning("result of %s not published, waiters read the row: %s", correlation_id, error)


def reopen(row: ProcessRow) -> bool:
    """`error` back to `pending`, and its result open again: Celery never replaces a SUCCESS."""
    if not runtime().processes.reopen(row.id):
        return False
    declared.REOPENED.labels(row.process_key).inc()
    try:
        app.backend.forget(str(row.id))
    except BROKER_AWAY as error:
        log.warning("old result of %s not deleted: %s", row.correlation_id, error)
    return True


def lost_race(process_id: uuid.UUID, ending: Ending) -> None:
    """Record that a process had ended otherwise before; the same end twice is no news."""
    row = runtime().processes.by_id(process_id)
    if row is None or row.status == ending.status:
        return
    log.warning("process %s is %s already, not %s", row.correlation_id, row.status, ending.status)
    record_ops(
        row,
        actor="celery-camunda",
        step_name="settle",
        result=f"the process is {row.status} already; its end as {ending.status} came too late",
        business_action_response={"status": ending.status, "result": ending.result, "error": ending.error},
    )


def record_ops(row: ProcessRow, *, actor: str, step_name: str, result: str, **columns: Any) -> None:
    """Write an event about a process that is no attempt of a step: who did what."""
    runtime().events.record(
        NewEvent(
            traceability_id=row.traceability_id,
            correlation_id=row.correlation_id,
            process_instance_id=row.process_instance_id,
            phase=OPS,
            actor=actor,
            step_name=step_name,
            result=result,
            **columns,
        )
    )


def settle_from_history(row: ProcessRow, instance: dict[str, Any]) -> bool:
    """Settle a row by what history says of its instance; False while it runs or when it was settled before."""
    state = instance["state"]
    if state in ("ACTIVE", "SUSPENDED"):
        return False
    if state == "COMPLETED":
        return settle(row, ending_of(instance), as_found=True)
    reason = instance.get("deleteReason") or "the instance was deleted in the engine"
    return settle(row, Ending(CANCELLED, error={"code": "CANCELLED", "message": reason, "type": state}), as_found=True)


def ending_of(instance: dict[str, Any]) -> Ending:
    """How a completed instance ended: in a business error if through an error end event, else ok."""
    is_good, document = end_of(runtime().engine, instance["id"])
    return Ending(OK, result=_plain(document)) if is_good else Ending(ERROR, error=document)


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    # What JSON cannot hold is shown as text: a client reads it, nobody computes with it.
    loaded: dict[str, Any] = json.loads(json.dumps(values, ensure_ascii=False, default=str))
    return loaded
