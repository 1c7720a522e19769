"""A process that waits for a message, and answers with the message's variables."""

from __future__ import annotations

from typing import Any

from camunda_bridge import define_process

process = define_process("awaits-message")


@process.step("respond", order=1, outcome="ok")
def respond(given: dict[str, Any]) -> dict[str, Any]:
    """Return all variables of the process."""
    return given
