"""After a step: fetch the next steps of its process, or settle the process when its instance has ended."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping

from camunda_bridge.engine.instances import Started
from camunda_bridge.engine.locked_task import LockedTask
from camunda_bridge.errors import BridgeError
from store.errors import DatabaseUnavailable
from store.event_rows import COMPLETED, AttemptKey
from store.process_rows import PENDING
from tasks import app
from tasks.broker.notify import notify_watchers
from tasks.broker.publish import send_follow
from tasks.errors import BrokerUnavailable
from tasks.fetching.follow import NONE_KNOWN, fetch_from_backlog, follow
from tasks.processes import registry
from tasks.runtime import runtime
from tasks.settling.outcome import RUNNING, settle_ended
from telemetry import log_context, tracing

log = logging.getLogger(__name__)

#: pauses before looking again behind an asynchronous continuation, in seconds; after the last one the poll looks
LOOK_AGAIN_S = (0.05, 0.1, 0.2, 0.4)


def follow_step(task: LockedTask, *, confirm: AttemptKey | None, known: Mapping[str, str] = NONE_KNOWN) -> None:
    """Fetch what comes after a step that has ended.

    Args:
        task: the external task of the step.
        confirm: its attempt, if that is still to be closed.
        known: see :func:`tasks.fetching.follow.follow`.
    """
    key = task.process_definition_key
    flat = _flat_instance(task.process_instance_id, task.process_definition_id, key)
    fetched = follow(key, task.business_key, flat_instance=flat, confirm=confirm, known=known)
    if fetched.enqueued:
        return
    if confirm is not None:
        confirm_completed(confirm)
        notify_watchers(task.business_key or task.process_instance_id)
    try:
        if _settle_if_ended(task.process_instance_id):
            fetch_from_backlog()
            return
        pauses = task.activity_id in runtime().deployed_diagram(task.process_definition_id).pauses_after
        if pauses and task.business_key:
            parent = tracing.traceparent()
            _look_again(task.process_instance_id, task.process_definition_key, task.business_key, parent, tries=0)
    except (BridgeError, BrokerUnavailable, DatabaseUnavailable) as error:
        log.info("next step of %s left to the poll: %s", task.process_instance_id, error)


def follow_start(
    instance: Started,
    process_key: str,
    business_key: str,
    *,
    own_slots: int,
    known: Mapping[str, str] = NONE_KNOWN,
) -> None:
    """Fetch the first steps of an instance that was just started. An instance without any step has ended by then."""
    if own_slots and fetch_from_backlog():
        # A task that waits in the engine is older than this instance: its first step waits there in turn.
        own_slots = 0
    flat = _flat_instance(instance.id, instance.definition_id, process_key)
    fetched = follow(process_key, business_key, flat_instance=flat, own_slots=own_slots, known=known)
    if fetched.enqueued or not fetched.covers_all:
        return
    try:
        _settle_if_ended(instance.id)
    except (BridgeError, DatabaseUnavailable) as error:
        log.info("end of %s left to the reconciler: %s", instance.id, error)


@app.task(name="follow")
def follow_later(
    instance_id: str, process_key: str, business_key: str, tries: int, traceparent: str | None = None
) -> None:
    """Look for the next steps of an instance again, and once more a little later, a few times."""
    log_context.bind(correlation_id=business_key, process_instance_id=instance_id)
    with tracing.span(
        f"follow {process_key}",
        parent=traceparent,
        kind="CONSUMER",
        attributes={"correlation.id": business_key, "process.instance.id": instance_id},
        only_within=True,
    ):
        fetched = follow(process_key, business_key, own_slots=0)
        if fetched.enqueued:
            return
        try:
            if not _settle_if_ended(instance_id) and tries < len(LOOK_AGAIN_S):
                # Each look has the same parent: the step or start that led to the first one.
                _look_again(instance_id, process_key, business_key, traceparent, tries=tries)
        except (BridgeError, BrokerUnavailable, DatabaseUnavailable) as error:
            log.info("next step of %s left to the poll: %s", instance_id, error)


def confirm_completed(attempt: AttemptKey) -> None:
    """Write that the engine has accepted the completion of an attempt."""
    try:
        runtime().events.close(attempt, COMPLETED)
    except DatabaseUnavailable as error:
        log.info("completion not written, the reconciler finds it in the engine's log: %s", error)


def _look_again(instance_id: str, process_key: str, business_key: str, traceparent: str | None, *, tries: int) -> None:
    pause_s = LOOK_AGAIN_S[tries] * random.uniform(0.8, 1.2)
    send_follow(instance_id, process_key, business_key, tries=tries + 1, countdown_s=pause_s, traceparent=traceparent)


def _settle_if_ended(instance_id: str) -> bool:
    """True when the instance and its root instance have ended; the row of the root is settled then."""
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


def _flat_instance(instance_id: str, definition_id: str, process_key: str) -> str | None:
    """The id of an instance if every task that can come next is its own and sees its variables; otherwise None."""
    try:
        diagram = runtime().deployed_diagram(definition_id)
    except BridgeError:
        return None
    # A called instance returns to its caller, whose next step is not among its own tasks.
    is_alone = diagram.is_flat and not diagram.calls and not registry.is_called(process_key)
    return instance_id if is_alone else None
