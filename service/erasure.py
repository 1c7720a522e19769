"""Export all data about one process, or delete it everywhere (GDPR, articles 15 and 17)."""

from __future__ import annotations

import logging
import uuid
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from camunda_bridge.errors import BridgeError
from camunda_bridge.variables import with_rfc3339_dates
from service.errors import ProcessStillRunning, as_answer
from store.event_rows import OPS, NewEvent
from store.personal import PersonalData
from store.process_rows import PENDING, ProcessRow
from tasks import app
from tasks.broker.publish import BROKER_ERRORS
from tasks.runtime import runtime
from tasks.settling.instances import with_instance
from tasks.webhooks.documents import rfc3339
from telemetry.crash_points import crash_point

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was deleted.

    Attributes:
        id: part of the traceability id of the event that records the erasure. Of the process, that event has only the
            key.
        events: deleted rows of the event log.
        webhooks: deleted deliveries.
        instances: process instances whose history was deleted.
    """

    id: str
    events: int
    webhooks: int
    instances: int


def export(row: ProcessRow) -> dict[str, Any]:
    """All data about a process, as they are stored.

    Raises:
        OperationUnavailable, OperationRefused: the engine's history cannot be read.
    """
    data = PersonalData(runtime().database)
    events: list[dict[str, Any]] = []
    while page := data.events(row.correlation_id, after_seq=events[-1]["seq"] if events else 0):
        events += page
    try:
        engine = runtime().engine
        instances = [
            with_rfc3339_dates({**instance, "variables": engine.historic_variables(instance["id"])})
            for instance in _instances(row)
        ]
    except BridgeError as error:
        raise as_answer(error, "nothing was changed") from error
    return {
        "process": _plain(asdict(row)),
        "events": [_plain(event) for event in events],
        "identifiers": data.identifiers(row.seq),
        "webhooks": [_plain(webhook) for webhook in data.webhooks(row.id)],
        "engine": instances,
    }


def erase(row: ProcessRow, *, actor: str) -> Erasure:
    """Delete all data about an ended process: the engine's history, then its result in Redis, then its rows.

    After an error, call it again: it deletes what is left.

    Raises:
        ProcessStillRunning: the process has not ended. Nothing was deleted, unless it changed during the call.
        OperationUnavailable, OperationRefused: the engine's history cannot be deleted now; no row was deleted.
        DatabaseUnavailable: some rows may be left.
    """
    if row.status == PENDING or row.incident_id is not None or row.engine_open:
        raise ProcessStillRunning(
            f"the process is {row.status}" + (" and has an open incident" if row.incident_id else "")
        )
    instances = _erase_history(row)
    try:
        app.backend.forget(str(row.id))
    except BROKER_ERRORS as error:
        log.warning("result of an erased process not deleted from Redis, it expires there: %s", error)
    crash_point("erase: history deleted, rows not deleted")
    erasure = str(uuid.uuid4())
    events = 0
    while True:
        record = NewEvent(
            traceability_id=f"erasure:{erasure}",
            phase=OPS,
            actor=actor,
            step_name="erase",
            result="all data of a process was deleted",
            metadata={"processKey": row.process_key, "instances": instances},
        )
        erased = PersonalData(runtime().database).erase(row.id, row.correlation_id, record)
        if erased is None:
            raise ProcessStillRunning("the process changed during the call")
        events += erased.events
        if not erased.left:
            return Erasure(erasure, events, erased.webhooks, instances)


def _erase_history(row: ProcessRow) -> int:
    try:
        instances = _instances(row)
        if any(instance["state"] in ("ACTIVE", "SUSPENDED") for instance in instances):
            raise ProcessStillRunning("its instance has not ended")
        # The root last: after an error in between, the other instances can still be found through it.
        return sum(runtime().engine.delete_history(instance["id"]) for instance in reversed(instances))
    except BridgeError as error:
        raise as_answer(error, "no row was deleted") from error


def _instances(row: ProcessRow) -> list[dict[str, Any]]:
    """The engine's history of the process's instance and of the instances that it called, the root first."""
    instance_id = with_instance(row).process_instance_id
    if instance_id is None:
        return []
    root = runtime().engine.historic_instance(instance_id)
    if root is None:
        runtime().engine.require_permissions(row.process_key)
    found = [root] if root is not None else []
    for instance in found:
        found += runtime().engine.called_by(instance["id"])
    return found


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: _shown(value) for name, value in values.items()}


def _shown(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
    return str(value) if isinstance(value, uuid.UUID) else value
