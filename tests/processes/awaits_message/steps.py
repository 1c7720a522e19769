"""A process that waits for a message, and answers with what came with it."""

from __future__ import annotations

from typing import Any

from camunda_bridge import define_process

process = define_process("awaits-message")


@process.step("respond", order=1, outcome="ok")
def respond(given: dict[str, Any]) -> dict[str, Any]:
    """Everything that the process knows."""
    return given
