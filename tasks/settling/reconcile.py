"""The reconciler: compare rows and engine, and repair what a crash, a lost message or an act in Cockpit left.

Each tick is one round. Each part of it is bounded, goes on where the last one stopped, and may run twice at the same
time without harm.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from camunda_bridge.engine.base import PAGE
from camunda_bridge.variables import parse_date
from store.clock import now
from store.process_rows import ERROR, PENDING, Ending, ProcessRow
from tasks import app
from tasks.beat.rounds import isolated_part, process_rows, query_all
from tasks.beat.ticks import is_first_tick
from tasks.broker.publish import send_start
from tasks.broker.start_priority import STARTS_LISTS
from tasks.broker.worker_capacity import WORKERS_KEY, live_workers
from tasks.runtime import runtime
from tasks.settling.closing import close_in_engine
from tasks.settling.history_log import log_history_level
from tasks.settling.incidents import incident_lock, settle_incident
from tasks.settling.missing_permissions import log_permissions
from tasks.settling.open_attempts import resolve_attempts
from tasks.settling.outcome import RUNNING, settle_answered, settle_ended
from tasks.settling.repairs import count_repair
from tasks.settling.settle import OURSELVES, ops_event, reopen, settle
from telemetry.crash_points import crash_point

log = logging.getLogger(__name__)

#: how far back the history is read again, since instances end while a page is read; also the time without any change
#: after which a row counts as lost whose instance the engine does not know
OVERLAP = timedelta(minutes=5)
#: milliseconds between two readings of the engine's history level
HISTORY_EVERY_MS = 600_000
#: milliseconds between two checks of the permissions in the engine
PERMISSIONS_EVERY_MS = 30_000
#: starts sent again, and instances deleted, in one round
BATCH = 500
#: pages of history, incidents or running rows read in one round
PAGES = 20
#: running rows whose instances one round looks up
SWEEP = 4 * PAGE


@app.task(name="reconcile", send_events=False)
def reconcile() -> None:
    """Run one round."""
    if not is_first_tick("reconcile", runtime().settings.reconcile_interval_ms):
        return
    for part in PARTS:
        with isolated_part(part.__name__):
            part()


def resend_starts() -> None:
    """Enqueue accepted starts that are in no queue: Redis was unavailable when they came, or has lost them.

    A start that is in its queue is marked as checked too; otherwise the oldest ones would fill each round and hide
    those behind them. If Redis loses it right afterwards, it is sent again after `RESEND_AFTER_S`. A start that cannot
    be sent is released for the next round.
    """
    # Redis is read first: without it no row is claimed.
    queued = _queued_starts()
    rows = runtime().processes.claim_unstarted(untouched_for_s=runtime().settings.resend_after_s, limit=BATCH)
    missing = [row for row in rows if str(row.id) not in queued]
    if missing:
        crash_point("reconcile: lost start found, not enqueued")

    def send(row: ProcessRow) -> None:
        send_start(row.id, process_key=row.process_key, correlation_id=row.correlation_id, priority=row.priority)
        count_repair("start_sent_again")

    process_rows("resend_starts", missing, send, key=_id_of, release=runtime().processes.release)
    if missing:
        log.warning("%d lost starts sent again", len(missing))


def settle_finished() -> None:
    """Settle rows whose instances have ended, by the engine's history since the last round.

    Only if one round of :func:`sweep_running` does not reach every row: with a hundred ends a second it would look up
    thousands of instances again and again. The bookmark is a time of the engine, and moves past a postponed row: the
    sweep comes to that row later.
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
        # There are more than one round reads: the next one goes on from the last end that was read.
        newest += OVERLAP
    bookmarks.put("finished-after", newest.isoformat())


def settle_incidents() -> None:
    """End the rows of processes with an open incident as `error`."""

    def settle_row(row: ProcessRow) -> None:
        if settle_incident(row):
            count_repair("incident_found")

    for page in range(PAGES):
        incidents = runtime().engine.incidents(first=page * PAGE)
        found = runtime().processes.by_instance_ids({incident["processInstanceId"] for incident in incidents})
        pending = [row for row in found if row.status == PENDING]
        process_rows("settle_incidents", pending, settle_row, key=_id_of)
        if len(incidents) < PAGE:
            return


def reopen_resolved() -> None:
    """Reopen the rows of processes whose incident was resolved in the engine, in Cockpit for example."""
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
        # A retry through the API that has the lock reopens the row itself, and its event says who retried.
        with incident_lock(row.id):
            if reopen(row, event, was_found=True):
                count_repair("incident_resolved")

    resolved = [row for row in rows if row.process_instance_id in running]
    process_rows("reopen_resolved", resolved, reopen_row, key=_id_of)
    runtime().bookmarks.put("resolved", str(rows[-1].seq if len(rows) == PAGE else 0))


def sweep_running() -> None:
    """Look up the instance of every running row: finds ends that `settle_finished` missed, and lost instances."""
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
    """End rows whose instances neither the history nor the runtime knows, if they have not changed for a while."""
    unmoved = [row for row in rows if row.updated_at < now() - OVERLAP]
    ids = [row.process_instance_id or "" for row in unmoved]
    running = set(query_all(lambda part: list(runtime().engine.running_instances(part)), ids)) if ids else set()

    def settle_row(row: ProcessRow) -> None:
        # The engine may only hide the instance.
        runtime().engine.require_permissions(row.process_key)
        if settle_answered(row, has_ended_well=True):
            count_repair("end_found")
            return
        message = "the engine does not know the instance any more"
        if settle(row, Ending(ERROR, error={"code": "INSTANCE_LOST", "message": message, "type": "lost"})):
            count_repair("instance_lost")

    lost = [row for row in unmoved if row.process_instance_id not in running]
    process_rows("settle_lost", lost, settle_row, key=_id_of)


def close_ended() -> None:
    """Delete the instances of processes that ops ended."""

    def close_row(row: ProcessRow) -> None:
        # Even if this fails, the next round begins with the rows behind it.
        runtime().processes.postpone_close(row.id)
        if close_in_engine(row):
            count_repair("instance_deleted")

    process_rows("close_ended", runtime().processes.open_in_engine(limit=BATCH), close_row, key=_id_of)


def check_history_level() -> None:
    """Log now and then, and soon after a start, if the engine keeps less history than this system needs."""
    if is_first_tick("history-level", HISTORY_EVERY_MS):
        log_history_level(runtime())


def check_permissions() -> None:
    """Log now and then the permissions that the technical user lacks in the engine, and keep them for health checks."""
    if is_first_tick("permissions", PERMISSIONS_EVERY_MS):
        log_permissions(runtime())


def forget_workers() -> None:
    """Delete heartbeats that have expired."""
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
    check_history_level,
    check_permissions,
)


def _queued_starts() -> set[str]:
    """Ids of the starts in their queue. MAX_PENDING_STARTS bounds them."""
    pipeline = runtime().redis.pipeline(transaction=False)
    for name in STARTS_LISTS:
        pipeline.lrange(name, 0, -1)
    return {str(json.loads(message)["headers"].get("id")) for found in pipeline.execute() for message in found}


def _settle_all(part: str, instances: list[dict[str, Any]], rows: list[ProcessRow] | None = None) -> None:
    """Settle the rows of those of these instances that have ended; `rows`: their rows, if they are known."""
    by_id = {instance["id"]: instance for instance in instances}
    if rows is None:
        rows = runtime().processes.by_instance_ids(by_id)

    def settle_row(row: ProcessRow) -> None:
        if settle_ended(row, by_id[row.process_instance_id or ""]):
            count_repair("end_found")

    ended = [
        row
        for row in rows
        if (row.status == PENDING or row.incident_id is not None)
        and by_id.get(row.process_instance_id or "", {}).get("state") not in (None, *RUNNING)
    ]
    process_rows(part, ended, settle_row, key=_id_of)


def _id_of(row: ProcessRow) -> str:
    return str(row.id)
