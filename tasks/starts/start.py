"""Start the instance of an accepted row, once: also if a message comes twice or a worker dies in between."""

from __future__ import annotations

import logging
import random
import time
import uuid
from typing import Any

from camunda_bridge.context import CONTEXT_VARIABLE, ExecutionContext
from camunda_bridge.engine.instances import Started
from camunda_bridge.errors import (
    BridgeError,
    EngineRefused,
    EngineUnavailable,
    NotFound,
    PermissionMissing,
    Unauthorized,
)
from camunda_bridge.locks import new_token
from camunda_bridge.variables import to_engine
from store.errors import DatabaseUnavailable
from store.identifiers import as_texts
from store.process_rows import ERROR, PENDING, Ending, ProcessRow
from store.retrying import retrying
from tasks import app
from tasks.broker.publish import SENT_AT, send_start, send_start_again
from tasks.broker.start_priority import priority_of
from tasks.broker.start_throttle import pause_starts
from tasks.broker.worker_capacity import own_slots, worker_capacity
from tasks.errors import BrokerUnavailable
from tasks.fetching.next_step import follow_start
from tasks.processes import registry
from tasks.runtime import runtime
from tasks.settling.instances import adopt
from tasks.settling.settle import settle
from tasks.topics.controls import controls
from telemetry import log_context, tracing
from telemetry.crash_points import crash_point

log = logging.getLogger(__name__)

#: pause before a start is put back into its queue: no slot is free, or maintenance began; in seconds
NO_SLOT_PAUSE_S = 0.05

#: seconds beyond the engine's time-out for which a claim lasts: a start that came late may still be under way
CLAIM_MARGIN_S = 20.0

#: shortest and longest pause before a start is tried again, in seconds, when the engine was unavailable. It needs no
#: longer back-off: while the engine stays unavailable the starts queue is paused.
RETRY_COUNTDOWN_S = (1.0, 4.0)


@app.task(name="start_process", bind=True)
def start_process(self: Any, process_id: str, traceparent: str | None = None) -> None:
    """Claim the row, start its instance, record the instance, fetch its first steps."""
    row_id = uuid.UUID(process_id)
    if _is_maintenance():
        # This message came before the queue was paused, which takes until the next heartbeat.
        pause_starts("maintenance")
        time.sleep(NO_SLOT_PAUSE_S)
        _requeue(self.request, process_id, traceparent)
        return
    if not own_slots() and worker_capacity().read().free <= 0:
        # Its first step would only wait in the engine. A worker that runs steps takes the start when a slot is free;
        # this worker pauses its starts queue with its next heartbeat.
        time.sleep(NO_SLOT_PAUSE_S)
        _requeue(self.request, process_id, traceparent)
        return
    token = new_token()
    with tracing.span("start", parent=traceparent, kind="CONSUMER"):
        _start_claimed(row_id, token, traceparent)


def _is_maintenance() -> bool:
    try:
        return controls().maintenance
    except DatabaseUnavailable:
        # The start cannot claim its row either, and says so.
        return False


def _start_claimed(row_id: uuid.UUID, token: str, traceparent: str | None) -> None:
    settings = runtime().settings
    try:
        row, is_claimed = runtime().processes.claim(
            row_id, token, for_s=settings.camunda_timeout_ms / 1000 + CLAIM_MARGIN_S
        )
    except DatabaseUnavailable as error:
        # The row stays pending. A claim that was written expires, and the reconciler sends the start again.
        log.warning("start of %s postponed, the reconciler sends it again: database unavailable: %s", row_id, error)
        return
    if row is None or not is_claimed:
        log.info("start of %s skipped: claimed by another worker", row_id)
        return
    log_context.bind(correlation_id=row.correlation_id, traceability_id=row.traceability_id)
    tracing.name_it(f"start {row.process_key}", correlation_id=row.correlation_id)
    crash_point("start: row claimed, instance not started")
    try:
        _require_permissions(row.process_key)
        # An earlier claim may have started an instance that was not recorded.
        instance = (_adopt(row) if row.claim_token else None) or _start(row, traceparent)
    except EngineUnavailable as error:
        log.info("start of %s postponed: %s", row.correlation_id, error)
        if not error.maybe_done:
            _retry_later(row, token, traceparent)
        return
    except Unauthorized as error:
        # The engine would refuse every other start too: they stay in their queue until the login works.
        log.error("starts queue paused: %s", error)
        pause_starts("the engine refuses our login")
        _retry_later(row, token, traceparent)
        return
    except PermissionMissing as error:
        if row.claim_token is None:
            _end_as_refused(row, error)
        else:
            # An earlier claim may have started an instance that the engine hides.
            log.error("start of %s postponed, the reconciler sends it again: %s", row.correlation_id, error)
        return
    except EngineRefused as error:
        if error.is_final:
            _end_as_refused(row, error)
        else:
            _leave_to_reconciler(row, token, error)
        return
    except BridgeError as error:
        _end_as_refused(row, error)
        return
    log_context.bind(process_instance_id=instance.id)
    crash_point("start: instance started, not recorded")
    recorded = retrying(
        lambda: runtime().processes.record_instance(row_id, instance.id, while_pending=True), for_s=CLAIM_MARGIN_S / 2
    )
    crash_point("start: instance recorded, not followed")
    if recorded or _is_to_be_followed(row_id, instance.id):
        known = as_texts(row.identifiers)
        follow_start(instance, row.process_key, row.correlation_id, own_slots=own_slots(), known=known)


def _require_permissions(process_key: str) -> None:
    """Check the permissions without which the engine would start the instance, and hide its tasks and its end.

    Raises:
        PermissionMissing: one is missing, for this process or one that it calls.
    """
    if runtime().engine.session.has_login:
        runtime().engine.require_permissions(process_key, *registry.family(process_key))


def _start(row: ProcessRow, traceparent: str | None) -> Started:
    context = ExecutionContext(
        str(row.id),
        row.correlation_id,
        row.traceability_id,
        row.batch_id,
        row.application_id,
        tracing.traceparent() or traceparent,
        has_callback=row.callback_url is not None,
        process_key=row.process_key,
        priority=row.priority,
    )
    variables = to_engine({**row.variables, CONTEXT_VARIABLE: context.to_variable()})
    return runtime().engine.start(row.process_key, row.correlation_id, variables)


def _adopt(row: ProcessRow) -> Started | None:
    """The instance that an earlier claim started."""
    found = adopt(row)
    return None if found is None else Started(found["id"], found["processDefinitionId"])


def _requeue(request: Any, process_id: str, traceparent: str | None) -> None:
    try:
        send_start_again(
            process_id,
            shadow=request.shadow,
            argsrepr=request.argsrepr,
            priority=priority_of(request),
            traceparent=traceparent,
            sent_at=getattr(request, SENT_AT, None),
        )
    except BrokerUnavailable as error:
        log.info("start of %s not enqueued, the reconciler sends it again: %s", process_id, error)


def _retry_later(row: ProcessRow, token: str, traceparent: str | None) -> None:
    """Release the claim of a start that surely had no effect, and enqueue it again."""
    try:
        runtime().processes.release_claim(row.id, token, is_first=row.claim_token is None)
        send_start(
            row.id,
            process_key=row.process_key,
            correlation_id=row.correlation_id,
            priority=row.priority,
            countdown_s=random.uniform(*RETRY_COUNTDOWN_S),
            traceparent=traceparent,
        )
    except (DatabaseUnavailable, BrokerUnavailable) as error:
        log.info("start of %s not enqueued, the reconciler sends it again: %s", row.correlation_id, error)


def _leave_to_reconciler(row: ProcessRow, token: str, error: EngineRefused) -> None:
    """Release the claim of a start that the engine refuses for the moment: its process definition is suspended.

    The reconciler sends it again after RESEND_AFTER_S. To send it again at once would only keep the engine busy.
    """
    log.info("start of %s held, the reconciler sends it again: %s", row.correlation_id, error)
    try:
        runtime().processes.release_claim(row.id, token, is_first=row.claim_token is None)
    except DatabaseUnavailable as unavailable:
        log.info("claim of the start of %s not released, it expires: %s", row.correlation_id, unavailable)


def _end_as_refused(row: ProcessRow, error: BridgeError) -> None:
    code = "PROCESS_NOT_DEPLOYED" if isinstance(error, NotFound) else "START_REFUSED"
    log.error("start of %s refused by the engine, the process ends as error: %s", row.correlation_id, error)
    settle(row, Ending(ERROR, error={"code": code, "message": str(error), "type": type(error).__name__}))


def _is_to_be_followed(row_id: uuid.UUID, instance_id: str) -> bool:
    """Whether the instance is to be followed whose row has ended meanwhile, or has another one. If not, it is deleted.

    An instance of a row that has ended is written down all the same.
    """
    processes = runtime().processes
    row = processes.by_id(row_id)
    if row is not None and row.process_instance_id is None and processes.record_instance(row_id, instance_id):
        row = processes.by_id(row_id)
    if row is not None and row.process_instance_id == instance_id:
        if row.status == PENDING:
            return True
        if row.incident_id is not None:
            # The instance stays for ops to retry.
            return False
    runtime().engine.delete_instance(instance_id, "its process was ended or started otherwise")
    return False
