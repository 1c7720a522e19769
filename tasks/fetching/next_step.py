"""After a step: fetch what comes next, or notice that the instance has ended."""

from __future__ import annotations

import logging
import random

from camunda_bridge.client import LockedTask, Started
from camunda_bridge.errors import BridgeError
from store.database import DatabaseAway
from store.events import COMPLETED, AttemptKey
from store.processes import PENDING
from tasks import app
from tasks.broker.notify import announce
from tasks.broker.publish import BrokerAway, send_follow
from tasks.fetching.follow import follow, hand_on_slot
from tasks.processes import registry
from tasks.runtime import runtime
from tasks.settling.outcome import RUNNING, settle_ended
from tasks.steps.error_codes import deployed_bpmn
from telemetry import log_context, tracing

log = logging.getLogger(__name__)

#: pauses before looking again behind an asynchronous continuation, in seconds; then the poll is the net
LOOK_AGAIN_S = (0.05, 0.1, 0.2, 0.4)


def go_on(task: LockedTask, *, confirm: AttemptKey | None) -> None:
    """Follow the instance after one of its steps has ended; `confirm` is that step's attempt, if still open."""
    key = task.process_definition_key
    flat = _flat(task.process_instance_id, task.process_definition_id, key)
    followed = follow(key, task.business_key, flat_instance=flat, confirm=confirm)
    if followed.enqueued:
        return
    if confirm is not None:
        confirm_completed(confirm)
        announce(task.business_key or task.process_instance_id)
    try:
        if _settle_if_ended(task.process_instance_id):
            hand_on_slot()
            return
        pauses = task.activity_id in deployed_bpmn(task.process_definition_id).pauses_after
        if pauses and task.business_key:
            parent = tracing.traceparent()
            _look_again(task.process_instance_id, task.process_definition_key, task.business_key, parent, tries=0)
    except (BridgeError, BrokerAway, DatabaseAway) as error:
        log.info("next step of %s left to the poll: %s", task.process_instance_id, error)


def begin(instance: Started, process_key: str, business_key: str, *, slots: int) -> None:
    """Follow an instance that was just started; one without any step has ended by then."""
    if slots and hand_on_slot():
        # What waits in the engine is older than this instance, whose first step now waits there in its turn.
        slots = 0
    flat = _flat(instance.id, instance.definition_id, process_key)
    followed = follow(process_key, business_key, flat_instance=flat, slots=slots)
    if followed.enqueued or not followed.asked:
        return
    try:
        _settle_if_ended(instance.id)
    except (BridgeError, DatabaseAway) as error:
        log.info("end of %s left to reconcile: %s", instance.id, error)


@app.task(name="follow")
def follow_later(
    instance_id: str, process_key: str, business_key: str, tries: int, traceparent: str | None = None
) -> None:
    """Look again for the next steps of an instance, and again a little later, a few times."""
    log_context.bind(correlation_id=business_key, process_instance_id=instance_id)
    with tracing.span(
        f"follow {process_key}",
        parent=traceparent,
        kind="CONSUMER",
        attributes={"correlation.id": business_key, "process.instance.id": instance_id},
        only_within=True,
    ):
        followed = follow(process_key, business_key, slots=0)
        if followed.enqueued:
            return
        try:
            if not _settle_if_ended(instance_id) and tries < len(LOOK_AGAIN_S):
                # Each look is beside the one before it, under the step or call that they all go back to.
                _look_again(instance_id, process_key, business_key, traceparent, tries=tries)
        except (BridgeError, BrokerAway, DatabaseAway) as error:
            log.info("next step of %s left to the poll: %s", instance_id, error)


def _look_again(instance_id: str, process_key: str, business_key: str, traceparent: str | None, *, tries: int) -> None:
    pause_s = LOOK_AGAIN_S[tries] * random.uniform(0.8, 1.2)
    send_follow(instance_id, process_key, business_key, tries=tries + 1, countdown_s=pause_s, traceparent=traceparent)


def _settle_if_ended(instance_id: str) -> bool:
    """True when the instance, and the one at the root of it, have ended."""
    engine = runtime().engine
    instance = engine.historic_instance(instance_id)
    if instance is None or instance["state"] in RUNNING:
        return False
    if instance["rootProcessInstanceId"] != instance_id:
        instance = engine.historic_instance(instance["rootProcessInstanceId"])
        if instance is None or instance["state"] in RUNNING:
            return False
    row = runtime().processes.by_instance_id(instance["id"])
    if row is not None and (row.status == PENDING or row.incident_id is not None):
        settle_ended(row, instance)
    return True


def _flat(instance_id: str, definition_id: str, process_key: str) -> str | None:
    """The id of an instance, where all that can come next has its variables and is its own."""
    try:
        bpmn = deployed_bpmn(definition_id)
    except BridgeError:
        return None
    # A called instance ends into its caller, whose next step is none of its own.
    alone = bpmn.is_flat and not bpmn.calls and not registry.is_called(process_key)
    return instance_id if alone else None


def confirm_completed(attempt: AttemptKey) -> None:
    """Write down that the engine has accepted an attempt's completion."""
    try:
        runtime().events.close(attempt, COMPLETED)
    except DatabaseAway as error:
        log.info("completion not written down yet, reconcile finds it in the engine's log: %s", error)
