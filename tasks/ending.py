"""End processes from outside, for the facade: settle the row, then let the instance be deleted."""

from __future__ import annotations

import logging
from uuid import UUID

from store.processes import PENDING, Ending, ProcessRow
from tasks import app, log_context
from tasks.instances import instances_of
from tasks.publish import BrokerAway, send_close
from tasks.runtime import runtime
from tasks.settle import ops_event, settle

log = logging.getLogger(__name__)


def end_by_ops(row: ProcessRow, ending: Ending, *, actor: str, step_name: str) -> bool:
    """End a row as `actor` wants it, by the call `step_name`; False when it had ended before.

    Its instance, if one runs, is deleted by a task, so that no caller waits for the engine.
    """
    if row.status != PENDING and row.status == ending.status:
        return False
    event = ops_event(
        row,
        actor=actor,
        step_name=step_name,
        result=f"the process was ended as {ending.status}",
        metadata={"from": row.status, "error": ending.error},
    )
    won = settle(row, ending, event=event)
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
        close_in_engine(row)


def close_in_engine(row: ProcessRow) -> None:
    """Delete the instance of an ended row, if it has one, written down or not.

    Raises:
        EngineAway: reconcile tries again.
    """
    recorded = row.process_instance_id
    for instance_id in [recorded] if recorded else [item["id"] for item in instances_of(row)]:
        runtime().engine.delete_instance(instance_id, f"ended from outside as {row.status}")
        runtime().events.forget_outcomes(row.correlation_id, instance_id)
    runtime().processes.close_in_engine(row.id)
