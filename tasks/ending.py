"""End processes from outside, for the facade: settle the row, then let the instance be deleted."""

from __future__ import annotations

import logging
from uuid import UUID

from camunda_bridge.errors import BridgeError
from store.clock import now
from store.processes import PENDING, Ending, ProcessRow
from tasks import app
from tasks.broker.publish import BrokerAway, send_close
from tasks.retry import EngineUnavailable
from tasks.runtime import runtime
from tasks.settling.outcome import settle_answered
from tasks.settling.settle import ops_event, settle
from tasks.starts.instances import instances_of
from telemetry import log_context

log = logging.getLogger(__name__)


def end_by_ops(row: ProcessRow, ending: Ending, *, actor: str, step_name: str) -> bool:
    """End a row as `actor` wants it, by the call `step_name`; False when it had ended before.

    It has, too, when the engine has accepted the outcome of a response step that is not written into the row yet. Its
    instance, if one runs, is deleted by a task, so that no caller waits for the engine.

    Raises:
        EngineUnavailable: the process has such an outcome, and only the engine knows whether it was accepted. Nothing
            was changed.
    """
    if row.status != PENDING and row.status == ending.status and row.incident_id is None:
        return False
    try:
        if settle_answered(row):
            return False
    except BridgeError as error:
        raise EngineUnavailable(f"{error}; whether the process has ended is not known; nothing was changed") from error
    event = ops_event(
        row,
        actor=actor,
        step_name=step_name,
        result=f"the process was ended as {ending.status}",
        metadata={"from": row.status, "error": ending.error},
    )
    won = settle(row, ending, event=event, by_ops=True)
    if won:
        try:
            send_close(row.id, process_key=row.process_key, correlation_id=row.correlation_id)
        except BrokerAway as error:
            log.info("instance of %s left to reconcile: %s", row.correlation_id, error)
    return won


@app.task(name="close_instance")
def close_instance(process_id: str) -> None:
    """Delete the instance of a row that was ended from outside."""
    row = runtime().processes.by_id(UUID(process_id))
    if row is not None:
        log_context.bind(correlation_id=row.correlation_id, traceability_id=row.traceability_id)
    if row is not None and row.engine_open:
        try:
            close_in_engine(row)
        except BridgeError as error:
            log.info("instance of %s left to reconcile: %s", row.correlation_id, error)


def close_in_engine(row: ProcessRow) -> bool:
    """Delete the instance of an ended row, if it has one, written down or not; False when that is still to be known.

    While a start of it may be under way, what is not there yet may still come: it is looked for again.

    Raises:
        EngineAway: reconcile tries again.
    """
    recorded = row.process_instance_id
    found = [recorded] if recorded else [item["id"] for item in instances_of(row)]
    for instance_id in found:
        runtime().engine.delete_instance(instance_id, f"ended from outside as {row.status}")
        runtime().events.forget_outcomes(row.correlation_id, instance_id)
    if not found and row.claim_until is not None and row.claim_until > now():
        return False
    runtime().processes.close_in_engine(row.id)
    return True
