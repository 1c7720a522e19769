"""Retry a process that stands still on an incident, for the facade."""

from __future__ import annotations

import logging

from camunda_bridge.errors import BridgeError, NotFound
from store.processes import ProcessRow
from tasks.publish import BrokerAway, send_follow
from tasks.runtime import runtime
from tasks.settle import record_ops, reopen

log = logging.getLogger(__name__)

#: attempts that a retry allows
RETRIES = 1


class EngineUnavailable(Exception):
    """The engine could not be asked; nothing was changed."""


def retry_incidents(row: ProcessRow, *, actor: str) -> bool:
    """Give what the process stands on another attempt, and make its row `pending` again.

    False when its instance has no open incident.

    Raises:
        EngineUnavailable: the engine is away or refuses us.
        DatabaseAway: the store is away; the engine may be at it already, and `reconcile` finds how it ends.
    """
    if not row.process_instance_id:
        # Not at the engine yet. An empty filter would find the incidents of every instance.
        return False
    try:
        retried = [_retry(incident["id"]) for incident in runtime().engine.incidents_of(row.process_instance_id)]
    except BridgeError as error:
        raise EngineUnavailable(str(error)) from error
    if not any(retried):
        return False
    # After the engine: if the step has ended well meanwhile, the row is `ok` and stays so.
    reopen(row)
    record_ops(
        row,
        actor=actor,
        step_name="retry",
        result="the incident is tried again",
        metadata={"incidentId": row.incident_id, "error": row.error},
    )
    follow_at_once(row, row.process_instance_id)
    return True


def follow_at_once(row: ProcessRow, instance_id: str) -> None:
    """Have what ops set going in an instance run without waiting for a poll, which finds it if the broker is away."""
    try:
        send_follow(instance_id, row.process_key, row.correlation_id, tries=1, countdown_s=0)
    except BrokerAway as error:
        log.info("next steps of %s left to the poll: %s", row.correlation_id, error)


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
