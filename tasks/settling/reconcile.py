"""Compare rows and engine, and mend what a crash, a lost message or somebody in Cockpit left between them.

Each round is one tick; each part is bounded, goes on where it stopped, and is guarded so that two rounds at once do
no harm.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from camunda_bridge.engine.base import PAGE
from camunda_bridge.task_fate import Fate, ended_in_error, fate_of
from camunda_bridge.variables import parse_date
from store.clock import now
from store.event_rows import BPMN_ERROR, COMPLETED, COMPLETING, FAILED, LOST, OUTCOME_UNKNOWN, AttemptKey, EventRow
from store.process_rows import ERROR, PENDING, Ending, ProcessRow
from tasks import app
from tasks.beat.rounds import isolated_part, process_rows, query_all
from tasks.beat.ticks import is_first_tick
from tasks.broker.notify import announce
from tasks.broker.publish import send_start
from tasks.broker.worker_capacity import WORKERS_KEY, live_workers
from tasks.runtime import runtime
from tasks.settling.closing import close_in_engine
from tasks.settling.history_log import log_history_level, note_missing_log
from tasks.settling.incidents import settle_incident
from tasks.settling.instances import with_instance
from tasks.settling.outcome import RUNNING, settle_answered, settle_ended
from tasks.settling.settle import OURSELVES, ops_event, reopen, settle
from telemetry.crash_points import crash_point
from telemetry.metrics import declared

log = logging.getLogger(__name__)

#: instances that end while a page is read: history is read again from this far back; and how long nothing may have
#: happened to a row whose instance nobody knows
OVERLAP = timedelta(minutes=5)
#: milliseconds between two looks at what the engine's history keeps
HISTORY_EVERY_MS = 600_000
#: starts sent again, and attempts resolved, in one round
BATCH = 500
#: pages of history, incidents or running rows read in one round
PAGES = 20
#: running rows that one round asks about
SWEEP = 4 * PAGE


@app.task(name="reconcile")
def reconcile() -> None:
    """One round."""
    if not is_first_tick("reconcile", runtime().settings.reconcile_interval_ms):
        return
    for part in PARTS:
        with isolated_part(part.__name__):
            part()


def resend_starts() -> None:
    """Enqueue accepted starts that are in no queue: Redis was away when they came, or has lost them.

    One that is in its queue counts as looked at, or the oldest would be taken each round and hide those behind them. If
    Redis loses it right afterwards, it is sent again after `RESEND_AFTER_S`, as any other. What cannot be sent is given
    back for the next round.
    """
    # Redis first: without it nothing needs to be taken.
    queued = _queued_starts()
    rows = runtime().processes.take_unstarted(untouched_for_s=runtime().settings.resend_after_s, limit=BATCH)
    missing = [row for row in rows if str(row.id) not in queued]
    if missing:
        crash_point("reconcile: lost start found, not enqueued")

    def send(row: ProcessRow) -> None:
        send_start(row.id, process_key=row.process_key, correlation_id=row.correlation_id)
        _repaired("start_sent_again")

    process_rows("resend_starts", missing, send, key=_id_of, release=runtime().processes.release)
    if missing:
        log.warning("%d starts sent again", len(missing))


def settle_finished() -> None:
    """Settle rows whose instances ended unseen, by the engine's history since the last round.

    Only where one round of :func:`sweep_running` does not reach every row anyhow: an engine that ends a hundred
    instances a second would be asked for thousands of them again and again. The bookmark is a time of the engine's own,
    and moves on past a row that is put off: the sweep comes to that row again.
    """
    bookmarks = runtime().bookmarks
    kept = bookmarks.get("finished-after")
    if runtime().processes.count_running() <= SWEEP:
        if kept:
            bookmarks.put("finished-after", "")
        return
    since = datetime.fromisoformat(kept) if kept else runtime().engine.newest_end()
    if since is None:
        return
    newest = since
    for page in range(PAGES):
        instances = runtime().engine.finished_after(since - OVERLAP, first=page * PAGE)
        _settle_all("settle_finished", instances)
        newest = max([newest, *(parse_date(instance["endTime"]) for instance in instances)])
        if len(instances) < PAGE:
            break
    else:
        # More than a round can read: go on from the last end that was seen.
        newest += OVERLAP
    bookmarks.put("finished-after", newest.isoformat())


def settle_incidents() -> None:
    """Rows whose instance has an open incident become `error`."""

    def settle_row(row: ProcessRow) -> None:
        if settle_incident(row):
            _repaired("incident_found")

    for page in range(PAGES):
        incidents = runtime().engine.incidents(first=page * PAGE)
        found = runtime().processes.by_instance_ids({incident["processInstanceId"] for incident in incidents})
        pending = [row for row in found if row.status == PENDING]
        process_rows("settle_incidents", pending, settle_row, key=_id_of)
        if len(incidents) < PAGE:
            return


def reopen_resolved() -> None:
    """Rows whose incident was resolved in the engine itself, in Cockpit for example, are `pending` again."""
    after = int(runtime().bookmarks.get("resolved") or 0)
    rows = runtime().processes.with_open_incident(after_seq=after, limit=PAGE)
    if not rows and not after:
        return
    ids = [row.process_instance_id or "" for row in rows]
    running = set(query_all(lambda part: list(runtime().engine.without_incident(part)), ids)) if ids else set()

    def reopen_row(row: ProcessRow) -> None:
        event = ops_event(
            row,
            actor=OURSELVES,
            step_name="retry",
            result="the incident was resolved in the engine",
            metadata={"incidentId": row.incident_id, "error": row.error},
        )
        if reopen(row, event):
            _repaired("incident_resolved")

    resolved = [row for row in rows if row.process_instance_id in running]
    process_rows("reopen_resolved", resolved, reopen_row, key=_id_of)
    runtime().bookmarks.put("resolved", str(rows[-1].seq if len(rows) == PAGE else 0))


def sweep_running() -> None:
    """Ask history about every running row in turn: what `settle_finished` missed, and instances that are gone."""
    after = int(runtime().bookmarks.get("sweep") or 0)
    engine = runtime().engine
    for _ in range(SWEEP // PAGE):
        rows = runtime().processes.running(after_seq=after, limit=PAGE)
        ids = [row.process_instance_id or "" for row in rows]
        found = list(query_all(engine.historic_instances, ids)) if ids else []
        _settle_all("sweep_running", found, rows)
        known = {instance["id"] for instance in found}
        if missing := [row for row in rows if row.status == PENDING and row.process_instance_id not in known]:
            _settle_lost(missing)
        after = rows[-1].seq if len(rows) == PAGE else 0
        runtime().bookmarks.put("sweep", str(after))
        if len(rows) < PAGE:
            break


def _settle_lost(rows: list[ProcessRow]) -> None:
    """Rows of whose instances neither history nor the runtime knows anything, and that have been so for a while."""
    unmoved = [row for row in rows if row.updated_at < now() - OVERLAP]
    ids = [row.process_instance_id or "" for row in unmoved]
    running = set(query_all(lambda part: list(runtime().engine.running_instances(part)), ids)) if ids else set()

    def settle_row(row: ProcessRow) -> None:
        if settle_answered(row, has_ended_well=True):
            _repaired("end_found")
            return
        message = "the engine knows nothing of the instance any more"
        if settle(row, Ending(ERROR, error={"code": "INSTANCE_LOST", "message": message, "type": "lost"})):
            _repaired("instance_lost")

    lost = [row for row in unmoved if row.process_instance_id not in running]
    process_rows("settle_lost", lost, settle_row, key=_id_of)


def resolve_attempts() -> None:
    """Find out from the engine what became of attempts that a crash left open."""
    lock_s = runtime().settings.lock_duration_ms / 1000
    rows = runtime().events.take_open_attempts(untouched_for_s=lock_s * 1.5, limit=BATCH)
    process_rows(
        "resolve_attempts", rows, _resolve, key=lambda row: str(row.execution_id), release=runtime().events.release
    )


def close_ended() -> None:
    """Delete instances whose rows were ended from outside."""

    def close_row(row: ProcessRow) -> None:
        # Whatever becomes of it, those behind it come first in the next round.
        runtime().processes.postpone_close(row.id)
        if close_in_engine(row):
            _repaired("instance_deleted")

    process_rows("close_ended", runtime().processes.open_in_engine(limit=BATCH), close_row, key=_id_of)


def look_at_history() -> None:
    """Say now and then, and soon after a start, if the engine keeps less history than is needed."""
    if is_first_tick("history-level", HISTORY_EVERY_MS):
        log_history_level(runtime())


def forget_workers() -> None:
    """Drop heartbeats of workers that said nothing lately."""
    fields: Any = runtime().redis.hgetall(WORKERS_KEY)
    gone = set(fields) - set(live_workers(fields))
    if gone:
        runtime().redis.hdel(WORKERS_KEY, *gone)


PARTS: tuple[Callable[[], None], ...] = (
    resend_starts,
    settle_finished,
    settle_incidents,
    reopen_resolved,
    resolve_attempts,
    close_ended,
    sweep_running,
    forget_workers,
    look_at_history,
)


def _queued_starts() -> set[str]:
    """Ids of the starts that wait in the queue. Bounded: MAX_PENDING_STARTS stops more from coming."""
    messages: Any = runtime().redis.lrange("starts", 0, -1)
    return {str(json.loads(message)["headers"].get("id")) for message in messages}


def _settle_all(part: str, instances: list[dict[str, Any]], rows: list[ProcessRow] | None = None) -> None:
    """Settle the rows of these instances that have ended unseen; `rows`: theirs, if they are known."""
    by_id = {instance["id"]: instance for instance in instances}
    if rows is None:
        rows = runtime().processes.by_instance_ids(by_id)

    def settle_row(row: ProcessRow) -> None:
        if settle_ended(row, by_id[row.process_instance_id or ""]):
            _repaired("end_found")

    ended = [
        row
        for row in rows
        if (row.status == PENDING or row.incident_id is not None)
        and by_id.get(row.process_instance_id or "", {}).get("state") not in (None, *RUNNING)
    ]
    process_rows(part, ended, settle_row, key=_id_of)


def _id_of(row: ProcessRow) -> str:
    return str(row.id)


def _repaired(kind: str, number: int = 1) -> None:
    declared.REPAIRS.labels(kind).inc(number)


def _resolve(row: EventRow) -> None:
    phase = _what_became_of(row)
    if phase is None:
        return
    crash_point("reconcile: end of an attempt found, not written")
    attempt = AttemptKey(row.external_task_id or "", row.lock_token or "")
    # A response step's attempt is closed with its process's row, or not at all.
    if (phase == COMPLETED and _settle_by(row, attempt)) or runtime().events.close(attempt, phase):
        _repaired(f"attempt_{phase.replace('-', '_')}")
        if row.correlation_id is not None:
            announce(row.correlation_id)


def _settle_by(row: EventRow, attempt: AttemptKey) -> bool:
    """Settle the process that the outcome of this attempt ends; False when it ends none."""
    process = runtime().processes.by_correlation_id(row.correlation_id or "")
    if process is None:
        return False
    # Its start may have got no answer: then the row has no instance yet.
    process = with_instance(process)
    if process.process_instance_id != row.process_instance_id:
        return False
    return settle_answered(process, known=attempt)


def _what_became_of(row: EventRow) -> str | None:
    """The last phase of an open attempt; None while it may still run."""
    engine, token = runtime().engine, row.lock_token or ""
    task = engine.external_task(row.external_task_id or "")
    if task is not None:
        if row.phase == COMPLETING and fate_of(engine, row.external_task_id or "", token).has_failed:
            # Without retries the task stays, with an incident, and keeps our token.
            return FAILED
        # Under our token it may still run, or its lock has run out: the engine's clock alone knows. Otherwise it is
        # another attempt's, which finds the stored output, if there is one.
        return None if task["workerId"] == token or row.phase == COMPLETING else LOST
    end = fate_of(engine, row.external_task_id or "", token)
    if end.fate is Fate.UNKNOWN:
        # History level FULL logs already that the task was created.
        note_missing_log(runtime().redis)
        log.warning("the engine has no log of external task %s: is its history level FULL?", row.external_task_id)
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
