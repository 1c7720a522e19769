"""The instance that was started for a row. Where the row has none, the engine is asked, and the answer written down."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from camunda_bridge.context import CONTEXT_VARIABLE
from store.process_rows import ProcessRow
from tasks.runtime import runtime

log = logging.getLogger(__name__)


def with_instance(row: ProcessRow) -> ProcessRow:
    """The row with the instance that was started for it, as far as anybody knows of one.

    Raises:
        EngineUnavailable: a start of the row was tried that wrote no instance down, and the engine does not answer.
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
    """The earliest instance that was started for this row, as history tells; later ones are deleted.

    Raises:
        EngineUnavailable: the engine does not answer.
    """
    ours = instances_of(row)
    for extra in ours[1:]:
        log.warning("deleting second instance %s of %s", extra["id"], row.correlation_id)
        runtime().engine.delete_instance(extra["id"], "started twice")
    return ours[0] if ours else None


def instances_of(row: ProcessRow) -> list[dict[str, Any]]:
    """The instances that were started for this row, as far as history knows them or they run, earliest first.

    One with the same business key from before the row was accepted is somebody else's.

    Raises:
        EngineUnavailable: the engine does not answer.
    """
    found = runtime().engine.instances_by_business_key(row.process_key, row.correlation_id)
    return [item for item in found if _is_of(row, item)]


def _is_of(row: ProcessRow, instance: dict[str, Any]) -> bool:
    engine, instance_id = runtime().engine, instance["id"]
    # Below history level AUDIT, only what runs has variables.
    context = engine.historic_variables(instance_id).get(CONTEXT_VARIABLE) or engine.running_variable(
        instance_id, CONTEXT_VARIABLE
    )
    return context is not None and str(row.id) in str(context["value"])
