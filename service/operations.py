"""Cancel or complete a process for ops: settle the row, then have the instance deleted."""

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
    """End a process as ops asked, unless it has ended before.

    A process has also ended if the engine has accepted the outcome of a response step that is not in the row yet. A
    task deletes the instance if it still runs, so the caller does not wait for the engine.

    Args:
        row: the process.
        ending: the end.
        actor: the name of the caller, for the event.
        step_name: the name of the call, for the event.

    Returns:
        True if this call ended it; False if it had ended before.

    Raises:
        OperationUnavailable: a response step has written an outcome, and the engine gives no answer whether it accepted
            it. Nothing was changed.
    """
    if row.status != PENDING and row.status == ending.status and row.incident_id is None:
        return False
    try:
        if settle_answered(row):
            return False
    except BridgeError as error:
        raise OperationUnavailable(
            f"{error}; it is unknown whether the process has ended; nothing was changed"
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
            log.info("deletion of the instance of %s not enqueued, reconcile deletes it: %s", row.correlation_id, error)
    return won
