"""Retry a process that stands still on an incident, for the facade."""

from __future__ import annotations

import logging
from collections.abc import Callable

from camunda_bridge.errors import BridgeError, EngineUnavailable, NotFound
from service.errors import OperationUnavailable, as_answer
from store.errors import DatabaseUnavailable
from store.process_rows import OK, PENDING, ProcessRow
from store.retrying import retrying
from tasks.broker.publish import send_follow
from tasks.errors import BrokerUnavailable
from tasks.runtime import runtime
from tasks.settling.incidents import incident_lock
from tasks.settling.instances import with_instance
from tasks.settling.settle import ops_event, record_ops, reopen
from telemetry import tracing
from telemetry.crash_points import crash_point

log = logging.getLogger(__name__)

#: attempts that a retry allows
RETRIES = 1
#: seconds for which what the engine has taken is tried to be written down, while the caller waits
WRITE_S = 2.0


def retry_incidents(row: ProcessRow, *, actor: str) -> bool:
    """Give what the process stands on another attempt, and make its row `pending` again.

    False when it stands on nothing. Of several calls at once for one incident one retries it, and all are True.

    Raises:
        OperationUnavailable: the engine is away or refuses us, perhaps after a part of the incidents. Calling again is
            safe: it goes on with those that are left.
        OperationRefused: the engine refuses to try the first of them again.
        DatabaseUnavailable: nothing was changed.
    """
    if row.incident_id is not None:
        try:
            row = with_instance(row)
        except BridgeError as error:
            raise OperationUnavailable(f"{error}; nothing was changed") from error
    if not row.process_instance_id:
        # Not at the engine yet. An empty filter would find the incidents of every instance.
        return False
    with incident_lock(row.id):
        found = runtime().processes.by_id(row.id) or row
        if row.incident_id is not None and found.incident_id != row.incident_id:
            # Another call was first: the incident that this one is about is being tried again, or was.
            return found.status in (PENDING, OK) or found.incident_id is not None
        if found.status != PENDING and found.incident_id is None:
            # It was ended meanwhile. What its instance stands on is nobody's business any more.
            return False
        return _retry_all(found, row.process_instance_id, actor)


def _retry_all(row: ProcessRow, instance_id: str, actor: str) -> bool:
    try:
        incidents = [incident["id"] for incident in runtime().engine.incidents_of(instance_id)]
    except BridgeError as error:
        raise OperationUnavailable(f"{error}; nothing was changed") from error
    retried, fault = _retry_each(incidents)
    if fault is not None and not retried:
        maybe_done = isinstance(fault, EngineUnavailable) and fault.maybe_done
        known = "an incident may be tried again already" if maybe_done else "nothing was changed"
        raise as_answer(fault, f"{known}; call again") from fault
    # A row that stands on what the engine has no longer (retried in Cockpit, or by a call whose answer was lost) is
    # being tried again too.
    if not retried and (incidents or row.incident_id is None):
        return False
    event = ops_event(
        row,
        actor=actor,
        step_name="retry",
        result="the incident is tried again"
        if fault is None
        else f"{len(retried)} of {len(incidents)} incidents are tried again",
        metadata={"incidentId": row.incident_id, "error": row.error, "incidents": retried},
    )
    if fault is not None:
        # The row stands on the others still.
        write_down(lambda: record_ops(event), f"retry of {row.correlation_id}")
        follow_at_once(row, instance_id)
        raise OperationUnavailable(f"{event.result}, then: {fault}; call again for the others") from fault
    crash_point("retry: engine has the retries, row not reopened")
    # After the engine: if the step has ended well meanwhile, the row is `ok` and stays so. If it is never written, the
    # row says `error` until the process ends.
    write_down(lambda: reopen(row, event), f"retry of {row.correlation_id}")
    crash_point("retry: row reopened, not followed")
    follow_at_once(row, instance_id)
    return True


def write_down(work: Callable[[], object], what: str) -> None:
    """Write what the engine has taken already; a database that stays away does not make it undone."""
    try:
        retrying(work, for_s=WRITE_S)
    except DatabaseUnavailable as error:
        log.error("%s is done in the engine and not written down: %s", what, error)


def follow_at_once(row: ProcessRow, instance_id: str) -> None:
    """Have what ops set going in an instance run without waiting for a poll, which finds it if the broker is away."""
    try:
        send_follow(
            instance_id,
            row.process_key,
            row.correlation_id,
            tries=1,
            countdown_s=0,
            traceparent=tracing.traceparent(),
        )
    except BrokerUnavailable as error:
        log.info("next steps of %s left to the poll: %s", row.correlation_id, error)


def _retry_each(incident_ids: list[str]) -> tuple[list[str], BridgeError | None]:
    """Those that may be tried again, and the error that came before all were through."""
    retried: list[str] = []
    for incident_id in incident_ids:
        try:
            if _retry(incident_id):
                retried.append(incident_id)
        except BridgeError as error:
            return retried, error
    return retried, None


def _retry(incident_id: str) -> bool:
    """True when this incident's task or job may be tried again."""
    engine = runtime().engine
    try:
        incident = engine.incident(incident_id)
        if incident["configuration"] is None and incident["rootCauseIncidentId"] != incident_id:
            # Shown at the caller; the task is in the process that it called.
            incident = engine.incident(incident["rootCauseIncidentId"])
        if incident["incidentType"] == "failedExternalTask":
            engine.set_task_retries(incident["configuration"], RETRIES)
        elif incident["incidentType"] == "failedJob":
            engine.set_job_retries(incident["configuration"], RETRIES)
        else:
            return False
    except NotFound:
        # resolved by somebody else between two calls
        return False
    return True
