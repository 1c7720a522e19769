"""End processes from outside, for the facade: settle the row, then let the instance be deleted."""

from __future__ import annotations

import logging

from camunda_bridge.errors import BridgeError
from service.errors import OperationUnavailable
from store.process_rows import PENDING, Ending, ProcessRow
from tasks.broker.publish import send_close
from tasks.errors import BrokerUnavailable
from tasks.settling.outcome import settle_answered
from tasks.settling.settle import ops_event, settle
from telemetry.crash_points import crash_point

log = logging.getLogger(__name__)


def end_by_ops(row: ProcessRow, ending: Ending, *, actor: str, step_name: str) -> bool:
    """End a row as `actor` wants it, by the call `step_name`; False when it had ended before.

    It has, too, when the engine has accepted the outcome of a response step that is not written into the row yet. Its
    instance, if one runs, is deleted by a task, so that no caller waits for the engine.

    Raises:
        OperationUnavailable: the process has such an outcome, and only the engine knows whether it was accepted.
            Nothing was changed.
    """
    if row.status != PENDING and row.status == ending.status and row.incident_id is None:
        return False
    try:
        if settle_answered(row):
            return False
    except BridgeError as error:
        raise OperationUnavailable(
            f"{error}; whether the process has ended is not known; nothing was changed"
        ) from error
    event = ops_event(
        row,
        actor=actor,
        step_name=step_name,
        result=f"the process was ended as {ending.status}",
        metadata={"from": row.status, "error": ending.error},
    )
    won = settle(row, ending, event=event, by_ops=True)
    if won:
        crash_point("cancel: row ended, deletion not enqueued")
        try:
            send_close(row.id, process_key=row.process_key, correlation_id=row.correlation_id)
        except BrokerUnavailable as error:
            log.info("instance of %s left to reconcile: %s", row.correlation_id, error)
    return won
