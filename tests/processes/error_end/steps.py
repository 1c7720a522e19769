"""An error end event of the process itself, which nothing catches."""

from __future__ import annotations

from typing import Any

from camunda_bridge import define_process

process = define_process("error-end")


@process.step("only", order=1)
def only(given: dict[str, Any]) -> dict[str, Any]:
    """Return the variables of the error."""
    return {"errorMessage": "refused by the diagram"}
