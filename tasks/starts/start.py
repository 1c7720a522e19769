"""Start an instance for an accepted row: once, whatever is delivered twice or dies in between."""

from __future__ import annotations

import logging
import random
import time
import uuid
from typing import Any

from camunda_bridge.context import CONTEXT_VARIABLE, ExecutionContext
from camunda_bridge.engine.instances import Started
from camunda_bridge.errors import BridgeError, EngineUnavailable, NotFound, Unauthorized
from camunda_bridge.locks import new_token
from camunda_bridge.variables import to_engine
from store.errors import DatabaseUnavailable
from store.process_rows import ERROR, PENDING, Ending, ProcessRow
from store.retrying import retrying
from tasks import app
from tasks.broker.publish import SENT_AT, send_start, send_start_again
from tasks.broker.start_throttle import pause_starts
from tasks.broker.worker_capacity import own_slots, worker_capacity
from tasks.errors import BrokerUnavailable
from tasks.fetching.next_step import follow_start
from tasks.runtime import runtime
from tasks.settling.instances import adopt
from tasks.settling.settle import settle
from telemetry import log_context, tracing
from telemetry.crash_points import crash_point

log = logging.getLogger(__name__)

#: pause before a start is put back for lack of room, in seconds
NO_ROOM_PAUSE_S = 0.05

#: beyond the engine's time-out, in seconds: what the engine does with a start that it got late
CLAIM_MARGIN_S = 20.0

#: pause before a start that the engine could not take is tried again, in seconds; between them by chance. While the
#: engine stays away the starts queue is not read at all, so this needs no longer back-off.
RETRY_COUNTDOWN_S = (1.0, 4.0)


@app.task(name="start_process", bind=True)
def start_process(self: Any, process_id: str, traceparent: str | None = None) -> None:
    """Claim the row, start its instance, write down which one it is, fetch its first steps."""
    row_id = uuid.UUID(process_id)
    if not own_slots() and worker_capacity().read().free <= 0:
        # Its first step would only wait in the engine. A worker that runs steps takes the start when a slot is free;
        # this worker pauses its starts queue with its next heartbeat.
        time.sleep(NO_ROOM_PAUSE_S)
        _put_back(self.request, process_id, traceparent)
        return
    token = new_token()
    with tracing.span("start", parent=traceparent, kind="CONSUMER"):
        _start_ours(row_id, token, traceparent)


def _start_ours(row_id: uuid.UUID, token: str, traceparent: str | None) -> None:
    settings = runtime().settings
    try:
        row, ours = runtime().processes.claim(row_id, token, for_s=settings.camunda_timeout_ms / 1000 + CLAIM_MARGIN_S)
    except DatabaseUnavailable as error:
        # The row stays pending, and a claim of ours, should it have been taken, runs out: reconcile sends it again.
        log.warning("start of %s put off: database is away: %s", row_id, error)
        return
    if row is None or not ours:
        log.info("start of %s is not ours to make", row_id)
        return
    log_context.bind(correlation_id=row.correlation_id, traceability_id=row.traceability_id)
    tracing.name_it(f"start {row.process_key}", correlation_id=row.correlation_id)
    crash_point("start: row claimed, instance not started")
    try:
        # A claim before ours may have started an instance that nobody wrote down.
        instance = (_adopt(row) if row.claim_token else None) or _start(row, traceparent)
    except EngineUnavailable as error:
        log.info("start of %s put off: %s", row.correlation_id, error)
        if not error.maybe_done:
            _put_off(row, token, traceparent)
        return
    except Unauthorized as error:
        # Every other start would be refused too: they stay queued until the login is mended.
        log.error("starts are put off: %s", error)
        pause_starts("the engine refuses our login")
        _put_off(row, token, traceparent)
        return
    except BridgeError as error:
        _give_up(row, error)
        return
    log_context.bind(process_instance_id=instance.id)
    crash_point("start: instance started, not recorded")
    recorded = retrying(
        lambda: runtime().processes.record_instance(row_id, instance.id, while_pending=True), for_s=CLAIM_MARGIN_S / 2
    )
    crash_point("start: instance recorded, not followed")
    if recorded or _is_still_wanted(row_id, instance.id):
        follow_start(instance, row.process_key, row.correlation_id, own_slots=own_slots())


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
    )
    variables = to_engine({**row.variables, CONTEXT_VARIABLE: context.to_variable()})
    return runtime().engine.start(row.process_key, row.correlation_id, variables)


def _adopt(row: ProcessRow) -> Started | None:
    """The instance that a claim before ours started."""
    found = adopt(row)
    return None if found is None else Started(found["id"], found["processDefinitionId"])


def _put_back(request: Any, process_id: str, traceparent: str | None) -> None:
    try:
        send_start_again(
            process_id,
            shadow=request.shadow,
            argsrepr=request.argsrepr,
            traceparent=traceparent,
            sent_at=getattr(request, SENT_AT, None),
        )
    except BrokerUnavailable as error:
        log.info("start of %s left to reconcile: %s", process_id, error)


def _put_off(row: ProcessRow, token: str, traceparent: str | None) -> None:
    """The engine has surely not started anything for our claim: free the row and try again soon."""
    try:
        runtime().processes.release_claim(row.id, token, is_first=row.claim_token is None)
        send_start(
            row.id,
            process_key=row.process_key,
            correlation_id=row.correlation_id,
            countdown_s=random.uniform(*RETRY_COUNTDOWN_S),
            traceparent=traceparent,
        )
    except (DatabaseUnavailable, BrokerUnavailable) as error:
        log.info("start of %s left to reconcile: %s", row.correlation_id, error)


def _give_up(row: ProcessRow, error: BridgeError) -> None:
    code = "PROCESS_NOT_DEPLOYED" if isinstance(error, NotFound) else "START_REFUSED"
    log.error("start of %s refused: %s", row.correlation_id, error)
    settle(row, Ending(ERROR, error={"code": code, "message": str(error), "type": type(error).__name__}))


def _is_still_wanted(row_id: uuid.UUID, instance_id: str) -> bool:
    """Whether to go on with an instance whose row has another one, or has ended meanwhile; deleted if it is not wanted.

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
            # It stands in the engine, for ops to retry.
            return False
    runtime().engine.delete_instance(instance_id, "its process was ended or started otherwise")
    return False
