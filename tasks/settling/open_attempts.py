"""Attempts that a crash left open: the engine's log says how each one ended."""

from __future__ import annotations

import logging

from camunda_bridge.task_fate import Fate, ended_in_error, fate_of
from store.event_rows import BPMN_ERROR, COMPLETED, COMPLETING, FAILED, LOST, OUTCOME_UNKNOWN, AttemptKey, EventRow
from tasks.beat.rounds import process_rows
from tasks.broker.notify import notify_watchers
from tasks.processes import registry
from tasks.runtime import runtime
from tasks.settling.history_log import note_missing_log
from tasks.settling.instances import with_instance
from tasks.settling.outcome import settle_answered
from tasks.settling.repairs import count_repair
from telemetry.crash_points import crash_point

log = logging.getLogger(__name__)

#: attempts resolved in one round
BATCH = 500


def resolve_attempts() -> None:
    """Close the attempts that a crash left open, as the engine's log says."""
    lock_s = runtime().settings.lock_duration_ms / 1000
    rows = runtime().events.claim_open_attempts(untouched_for_s=lock_s * 1.5, limit=BATCH)
    process_rows(
        "resolve_attempts", rows, _resolve, key=lambda row: str(row.execution_id), release=runtime().events.release
    )


def _resolve(row: EventRow) -> None:
    phase = _ended_as(row)
    if phase is None:
        return
    crash_point("reconcile: end of an attempt found, not written")
    attempt = AttemptKey(row.external_task_id or "", row.lock_token or "")
    # The attempt of a response step is closed in the transaction that ends the row of its process.
    if (phase == COMPLETED and _settle_by(row, attempt)) or runtime().events.close(attempt, phase):
        count_repair(f"attempt_{phase.replace('-', '_')}")
        if row.correlation_id is not None:
            notify_watchers(row.correlation_id)


def _settle_by(row: EventRow, attempt: AttemptKey) -> bool:
    """Settle the process that this attempt ends; False when it ends none."""
    process = runtime().processes.by_correlation_id(row.correlation_id or "")
    if process is None:
        return False
    # The answer to its start may be lost: then the row has no instance yet.
    process = with_instance(process)
    if process.process_instance_id != row.process_instance_id:
        return False
    return settle_answered(process, known=attempt)


def _ended_as(row: EventRow) -> str | None:
    """The phase in which an open attempt ended; None while it may still run."""
    engine, token = runtime().engine, row.lock_token or ""
    task = engine.external_task(row.external_task_id or "")
    if task is not None:
        if row.phase == COMPLETING and fate_of(engine, row.external_task_id or "", token).has_failed:
            # A task without retries stays, with an incident, and keeps the token.
            return FAILED
        # Under this token the attempt may still run, or its lock has expired, which only the engine's clock can tell.
        # Under another token another attempt has the task, and finds the outcome of this one, if there is one.
        return None if task["workerId"] == token or row.phase == COMPLETING else LOST
    # The engine may only hide the task, its log and its instance. The row does not name the process.
    engine.require_permissions(*registry.processes)
    end = fate_of(engine, row.external_task_id or "", token)
    if end.fate is Fate.UNKNOWN:
        # At history level FULL there is an entry from the creation of the task on.
        note_missing_log(runtime().redis)
        log.warning(
            "no log of external task %s in the engine: check that its history level is FULL", row.external_task_id
        )
    if end.fate is Fate.COMPLETED:
        return COMPLETED
    if end.has_failed:
        return FAILED
    if end.fate is Fate.COMPLETED_BY_ANOTHER or row.phase != COMPLETING:
        return LOST
    # A BPMN error and the deletion of the instance leave the same log entry; only the activities tell them apart.
    if ended_in_error(engine, end, row.process_instance_id or ""):
        return BPMN_ERROR
    return OUTCOME_UNKNOWN
