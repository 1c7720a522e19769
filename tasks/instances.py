"""The instances that were started for a row, which history alone tells where nobody wrote one down."""

from __future__ import annotations

from typing import Any

from camunda_bridge.context import CONTEXT_VARIABLE
from store.processes import ProcessRow
from tasks.runtime import runtime


def instances_of(row: ProcessRow) -> list[dict[str, Any]]:
    """What history knows of the instances that were started for this row, earliest first.

    One with the same business key from before the row was accepted is somebody else's.

    Raises:
        EngineAway: the engine does not answer.
    """
    found = runtime().engine.instances_by_business_key(row.process_key, row.correlation_id)
    return [item for item in found if _is_of(row, item)]


def _is_of(row: ProcessRow, instance: dict[str, Any]) -> bool:
    variables = runtime().engine.historic_variables(instance["id"])
    context = variables.get(CONTEXT_VARIABLE, {}).get("value") or ""
    return str(row.id) in str(context)
