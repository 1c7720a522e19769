"""How a completed instance ended, by the engine's history."""

from __future__ import annotations

from typing import Any

from camunda_bridge.client import Engine
from camunda_bridge.context import CONTEXT_VARIABLE
from camunda_bridge.executor import ERROR_VARIABLES
from camunda_bridge.variables import to_document


def end_of(engine: Engine, instance_id: str) -> tuple[bool, dict[str, Any]]:
    """True and its last variables, as clients see them, when it ended well; else False and its error."""
    values, _ = to_document(engine.historic_variables(instance_id))
    values.pop(CONTEXT_VARIABLE, None)
    ends = [item for item in engine.activities(instance_id) if item["activityType"] == "errorEndEvent"]
    if not ends:
        return True, values
    error = {name: values.get(variable) for name, variable in ERROR_VARIABLES.items()}
    error["code"] = error["code"] or ends[0]["activityId"]
    return False, error
