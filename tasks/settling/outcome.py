"""How a process ended. This module alone decides it, for workers, the reconciler and every command.

The first response step whose completion the engine accepted decides, by the outcome that its attempt has written. The
engine's history decides only if no outcome was written. While neither is known, the process is pending.

The attempt of a response step becomes `completed` in the transaction that ends its process. So an outcome that may
still have to end a process is always in an open attempt.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from camunda_bridge.endings import end_of
from camunda_bridge.task_fate import Fate, fate_of
from camunda_bridge.variables import parse_date
from store.event_rows import AttemptKey, OpenAnswer
from store.process_rows import CANCELLED, ERROR, OK, Ending, ProcessRow
from tasks.runtime import runtime
from tasks.settling.settle import settle

#: states of an instance in the engine's history in which it has not ended
RUNNING = frozenset({"ACTIVE", "SUSPENDED"})

_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


def settle_answered(row: ProcessRow, *, known: AttemptKey | None = None, has_ended_well: bool = False) -> bool:
    """Settle a row by the first outcome of a response step that the engine accepted; False when there is none.

    Args:
        known: an attempt whose completion the engine has accepted.
        has_ended_well: the history has its instance as completed. Then an outcome counts as accepted also if the engine
            has no log of its task, as below history level FULL.

    Raises:
        EngineUnavailable: which outcome the engine accepted is unknown now.
    """
    if row.process_instance_id is None:
        return False
    accepted: list[tuple[datetime, int, OpenAnswer]] = []
    for answer in runtime().events.open_answers(row.correlation_id, row.process_instance_id):
        end = fate_of(runtime().engine, answer.attempt.external_task_id, answer.attempt.lock_token)
        has_no_log = end.fate is Fate.UNKNOWN and has_ended_well
        if end.fate is Fate.COMPLETED or has_no_log or answer.attempt == known:
            # Only times of the engine are compared; without its log, the order in which the outcomes were written.
            accepted.append((parse_date(end.at) if end.at else _BEFORE_ALL, answer.seq, answer))
    # The first one ends the row. The others are late, and settle() records that.
    for _, _, answer in sorted(accepted):
        settle(row, ending_by(answer.process_status, answer.document, answer.identifiers), confirm=answer.attempt)
    return bool(accepted)


def settle_ended(row: ProcessRow, instance: dict[str, Any]) -> bool:
    """Settle a row whose instance has ended; False while it runs, or when the row was settled before.

    `instance`: its entry in the engine's history.

    Raises:
        EngineUnavailable: how it ended is unknown now.
    """
    state = instance["state"]
    if state in RUNNING:
        return False
    if settle_answered(row, has_ended_well=state == "COMPLETED"):
        return True
    if state == "COMPLETED":
        is_good, document = end_of(runtime().engine, runtime().deployed_diagram, instance["id"])
        return settle(row, ending_by(OK if is_good else ERROR, document), as_found=True)
    runtime().events.forget_outcomes(row.correlation_id, instance["id"])
    reason = instance.get("deleteReason") or "the instance was deleted in the engine"
    return settle(row, Ending(CANCELLED, error={"code": "CANCELLED", "message": reason, "type": state}), as_found=True)


def ending_by(status: str, document: Any, identifiers: dict[str, Any] | None = None) -> Ending:
    """The end of a process whose outcome is `document`."""
    if status == OK:
        return Ending(OK, result=document, identifiers=identifiers)
    return Ending(status, error=document, identifiers=identifiers)
