"""Write the incident of a process into its row, one writer at a time."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import redis

from camunda_bridge.errors import BridgeError, NotFound
from store.process_rows import ERROR, PENDING, Ending, ProcessRow
from store.retrying import retrying
from tasks.broker.publish import BROKER_ERRORS
from tasks.processes import metric_label
from tasks.runtime import KEY_PREFIX, runtime
from tasks.settling.instances import with_instance
from tasks.settling.settle import settle
from telemetry.metrics import declared

log = logging.getLogger(__name__)

#: seconds after which the lock of a process that died expires, and for which another waits for it
LOCK_S = 30.0
LOCK_WAIT_S = 5.0


@contextmanager
def incident_lock(process_id: uuid.UUID) -> Iterator[None]:
    """Hold the lock under which the incidents of a process are retried, or written into its row.

    Without Redis, or when the lock is not free in time, the block runs all the same. The worst that comes of it is one
    more attempt, or a row that says `error` until the next round of the reconciler.
    """
    lock = runtime().redis.lock(f"{KEY_PREFIX}retry:{process_id}", timeout=LOCK_S, blocking_timeout=LOCK_WAIT_S)
    is_held = False
    try:
        is_held = lock.acquire()
    except BROKER_ERRORS as error:
        log.info("incidents of %s handled without a lock: %s", process_id, error)
    try:
        yield
    finally:
        if is_held:
            with suppress(redis.RedisError, OSError):
                lock.release()


def settle_incident(row: ProcessRow, failure: dict[str, Any] | None = None) -> bool:
    """End the row of a process that has an open incident, and wake the client that waits for it.

    `failure`: what failed and where (`message`, `step`, `attempt`, `where`, `errors`), if the caller knows; otherwise
    message and step are those of the incident.

    False when there is no incident (it was resolved, or the failure became a BPMN error), when the engine is
    unavailable, or when the row had ended before. The reconciler finds what is left.
    """
    # A retry at the same moment would leave the row in `error` while the process runs.
    with incident_lock(row.id):
        try:
            row = with_instance(row)
            incidents = runtime().engine.incidents_of(row.process_instance_id) if row.process_instance_id else []
            if not incidents or row.status != PENDING:
                return False
            if failure is None:
                failure = _root_cause(incidents[0])
        except NotFound:
            # Resolved between two requests.
            return False
        except BridgeError as error:
            log.info("incident of %s left to the reconciler: %s", row.correlation_id, error)
            return False
        error_document = {"code": "INCIDENT", "type": "incident", **failure}
        ending = Ending(ERROR, error=error_document, incident_id=incidents[0]["id"])
        won = retrying(lambda: settle(row, ending), for_s=runtime().settings.db_hold_s)
    if won:
        declared.INCIDENTS.labels(metric_label(row.process_key)).inc()
    return won


def _root_cause(incident: dict[str, Any]) -> dict[str, Any]:
    """What failed and where. The caller of a process has an incident without a message: its root cause has one.

    Raises:
        NotFound: it was resolved.
    """
    if incident["rootCauseIncidentId"] not in (None, incident["id"]):
        incident = runtime().engine.incident(incident["rootCauseIncidentId"])
    return {"message": incident["incidentMessage"] or incident["incidentType"], "step": incident["activityId"]}
