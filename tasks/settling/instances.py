"""The instance that was started for a row. If the row has none, the engine's history is read and the row updated."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from camunda_bridge.context import CONTEXT_VARIABLE
from store.process_rows import ProcessRow
from tasks.runtime import runtime

log = logging.getLogger(__name__)


def with_instance(row: ProcessRow) -> ProcessRow:
    """The row with the instance that was started for it, if there is one.

    Raises:
        EngineUnavailable: the row was claimed and has no instance, and the engine does not answer.
    """
    if row.process_instance_id is not None or row.claim_token is None:
        return row
    instance = adopt(row)
    if instance is None:
        return row
    if runtime().processes.record_instance(row.id, instance["id"]):
        return replace(row, process_instance_id=instance["id"])
    return runtime().processes.by_id(row.id) or row


def adopt(row: ProcessRow) -> dict[str, Any] | None:
    """The earliest instance that was started for this row, by the engine's history. Later ones are deleted.

    Raises:
        EngineUnavailable: the engine does not answer.
    """
    ours = instances_of(row)
    for extra in ours[1:]:
        log.warning("instance %s of %s started twice, deleting it", extra["id"], row.correlation_id)
        runtime().engine.delete_instance(extra["id"], "started twice")
    return ours[0] if ours else None


def instances_of(row: ProcessRow) -> list[dict[str, Any]]:
    """The instances that were started for this row, running or in the history, earliest first.

    An instance with the same business key that has another row's id in its variables is not among them.

    Raises:
        EngineUnavailable: the engine does not answer.
        PermissionMissing: there is none, or the engine hides it.
    """
    found = runtime().engine.instances_by_business_key(row.process_key, row.correlation_id)
    ours = [item for item in found if _is_of(row, item)]
    if not ours:
        runtime().engine.require_permissions(row.process_key)
    return ours


def _is_of(row: ProcessRow, instance: dict[str, Any]) -> bool:
    engine, instance_id = runtime().engine, instance["id"]
    # Below history level AUDIT only running instances have variables.
    context = engine.historic_variables(instance_id).get(CONTEXT_VARIABLE) or engine.running_variable(
        instance_id, CONTEXT_VARIABLE
    )
    return context is not None and str(row.id) in str(context["value"])
