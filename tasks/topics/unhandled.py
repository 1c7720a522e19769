"""Topics of the diagrams here that have no handler."""

from __future__ import annotations

from typing import Any

from camunda_bridge.errors import DefinitionError
from tasks.processes import registry


def unhandled_topics() -> dict[str, Any]:
    """Process key -> topics of its BPMN file without a handler, or what is wrong with the file."""
    try:
        return dict(registry.unhandled_topics())
    except DefinitionError as error:
        return {"error": str(error)}
