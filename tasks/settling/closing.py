"""Delete the instance of a process that ops ended."""

from __future__ import annotations

import logging
from uuid import UUID

from camunda_bridge.errors import BridgeError
from store.clock import now
from store.process_rows import ProcessRow
from tasks import app
from tasks.runtime import runtime
from tasks.settling.instances import instances_of
from telemetry import log_context
from telemetry.crash_points import crash_point

log = logging.getLogger(__name__)


@app.task(name="close_instance")
def close_instance(process_id: str) -> None:
    """Delete the instance of a row that ops ended."""
    row = runtime().processes.by_id(UUID(process_id))
    if row is not None:
        log_context.bind(correlation_id=row.correlation_id, traceability_id=row.traceability_id)
    if row is not None and row.engine_open:
        try:
            close_in_engine(row)
        except BridgeError as error:
            log.info("instance of %s not deleted, the reconciler deletes it: %s", row.correlation_id, error)


def close_in_engine(row: ProcessRow) -> bool:
    """Delete the instance of an ended row, recorded or not; False when it may still be started.

    While a claim on the start lasts, a worker may start an instance. Then a later call looks for it again.

    Raises:
        EngineUnavailable: the reconciler tries again.
    """
    recorded = row.process_instance_id
    found = [recorded] if recorded else [item["id"] for item in instances_of(row)]
    for instance_id in found:
        runtime().engine.delete_instance(instance_id, f"ended from outside as {row.status}")
        runtime().events.forget_outcomes(row.correlation_id, instance_id)
        crash_point("cancel: instance deleted, row not closed")
    if not found and row.claim_until is not None and row.claim_until > now():
        return False
    runtime().processes.close_in_engine(row.id)
    return True
