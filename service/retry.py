"""Retry a process with an open incident, for the facade."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from camunda_bridge.errors import BridgeError, EngineUnavailable, NotFound
from camunda_bridge.variables import outgoing
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
#: seconds for which a change that the engine has accepted is tried to be written, while the caller waits
WRITE_S = 2.0


def retry_incidents(row: ProcessRow, *, actor: str, variables: Mapping[str, Any] | None = None) -> bool:
    """Retry the open incidents of a process, each with one more attempt, and make its row `pending` again.

    Of several calls at once for one incident, one retries it and all return True.

    Args:
        row: the process.
        actor: the name of the caller, for the event.
        variables: variables of the instance to set before; None for none. The event has their names.

    Returns:
        False if the process has no open incident.

    Raises:
        OperationUnavailable: the engine is unavailable or refuses the login, perhaps after some of the incidents were
            retried. It is safe to call again: the next call retries the others.
        OperationRefused: the engine refuses to retry the first incident.
        DatabaseUnavailable: nothing was changed.
    """
    if row.incident_id is not None:
        try:
            row = with_instance(row)
        except BridgeError as error:
            raise as_answer(error, "nothing was changed") from error
    if not row.process_instance_id:
        # The process has no instance yet. With an empty filter the engine would list the incidents of all instances.
        return False
    with incident_lock(row.id):
        found = runtime().processes.by_id(row.id) or row
        if row.incident_id is not None and found.incident_id != row.incident_id:
            # Another call came first: it has retried the incident of this call.
            return found.status in (PENDING, OK) or found.incident_id is not None
        if found.status != PENDING and found.incident_id is None:
            # The process was ended before this call got the lock: the incidents of its instance do not matter any more.
            return False
        return _retry_all(found, row.process_instance_id, actor, variables or {})


def _retry_all(row: ProcessRow, instance_id: str, actor: str, variables: Mapping[str, Any]) -> bool:
    try:
        incidents = [incident["id"] for incident in runtime().engine.incidents_of(instance_id)]
        if not incidents:
            runtime().engine.require_permissions(row.process_key)
        elif variables:
            runtime().engine.set_variables(instance_id, outgoing(variables))
    except BridgeError as error:
        raise as_answer(error, "nothing was changed") from error
    retried, fault = _retry_each(incidents)
    if fault is not None and not retried:
        maybe_done = isinstance(fault, EngineUnavailable) and fault.maybe_done
        unchanged = "only the variables were changed" if variables else "nothing was changed"
        known = "an incident may have been retried already" if maybe_done else unchanged
        raise as_answer(fault, f"{known}; call again") from fault
    # If the row has an incident that the engine has no longer, it was retried in Cockpit, or by a call whose answer was
    # lost: then the row is reopened too.
    if not retried and (incidents or row.incident_id is None):
        return False
    event = ops_event(
        row,
        actor=actor,
        step_name="retry",
        result="the incident was retried"
        if fault is None
        else f"{len(retried)} of {len(incidents)} incidents were retried",
        metadata={
            "incidentId": row.incident_id,
            "error": row.error,
            "incidents": retried,
            **({"variables": sorted(variables)} if variables else {}),
        },
    )
    if fault is not None:
        # The other incidents are still open, so the row stays `error`.
        write_down(lambda: record_ops(event), f"retry of {row.correlation_id}")
        follow_at_once(row, instance_id)
        raise OperationUnavailable(f"{event.result}, then: {fault}; call again for the others") from fault
    crash_point("retry: engine has the retries, row not reopened")
    # After the engine: if the step has ended well in between, the row is `ok` and stays so. If this is never written,
    # the row stays `error` until the process ends.
    write_down(lambda: reopen(row, event), f"retry of {row.correlation_id}")
    crash_point("retry: row reopened, not followed")
    follow_at_once(row, instance_id)
    return True


def write_down(work: Callable[[], object], what: str) -> None:
    """Write a change that the engine has accepted. If the database stays unavailable, the change counts as done."""
    try:
        retrying(work, for_s=WRITE_S)
    except DatabaseUnavailable as error:
        log.error("%s not written to the database, although it is done in the engine: %s", what, error)


def follow_at_once(row: ProcessRow, instance_id: str) -> None:
    """Follow an instance that ops have set going. If the broker is unavailable, the poll finds its next steps."""
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
        log.info("follow of %s not enqueued, the poll finds its next steps: %s", row.correlation_id, error)


def _retry_each(incident_ids: list[str]) -> tuple[list[str], BridgeError | None]:
    """Retry incidents in turn. Returns those that were retried, and the error that ended the loop early."""
    retried: list[str] = []
    for incident_id in incident_ids:
        try:
            if _retry(incident_id):
                retried.append(incident_id)
        except BridgeError as error:
            return retried, error
    return retried, None


def _retry(incident_id: str) -> bool:
    """Set the retries of an incident's task or job; False if it has neither or is resolved already."""
    engine = runtime().engine
    try:
        incident = engine.incident(incident_id)
        if incident["configuration"] is None and incident["rootCauseIncidentId"] != incident_id:
            # The incident of a caller: its cause is the incident in the process that it called.
            incident = engine.incident(incident["rootCauseIncidentId"])
        if incident["incidentType"] == "failedExternalTask":
            engine.set_task_retries(incident["configuration"], RETRIES)
        elif incident["incidentType"] == "failedJob":
            engine.set_job_retries(incident["configuration"], RETRIES)
        else:
            return False
    except NotFound:
        # somebody else has resolved it between two requests
        return False
    return True
