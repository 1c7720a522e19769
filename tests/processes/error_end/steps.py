"""An error end event at the root, and nobody who handles it."""

from __future__ import annotations

from typing import Any

from camunda_bridge import define_process

process = define_process("error-end")


@process.step("only", order=1)
def only(given: dict[str, Any]) -> dict[str, Any]:
    """Say what the error is about."""
    return {"errorMessage": "refused by the diagram"}
