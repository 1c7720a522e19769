"""The second step of a process; another client of the engine runs the first one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from camunda_bridge import define_process

process = define_process("relay")


@process.step("respond", outcome="ok")
def respond(offer: dict[str, Any], validUntil: datetime) -> dict[str, Any]:
    """What the other client said."""
    return {"offer": offer, "validUntil": validUntil}
