"""Every kind of element that workers run: tasks, and message events that are thrown."""

from __future__ import annotations

from typing import Any

from camunda_bridge import StepContext, define_process

process = define_process("external-events")


@process.step("calculate")
def calculate(given: dict[str, Any]) -> dict[str, int]:
    """A business rule task."""
    return {"total": 3}


@process.step("send")
def send(given: dict[str, Any]) -> dict[str, bool]:
    """A send task."""
    return {"sent": True}


@process.step("tell")
def tell(given: dict[str, Any], context: StepContext) -> dict[str, Any]:
    """A message throw event."""
    return {"told": context.properties["channel"]}


@process.step("say-bye", outcome="ok")
def say_bye(given: dict[str, Any]) -> dict[str, Any]:
    """A message end event, which answers."""
    return {"total": given["total"], "sent": given["sent"], "told": given["told"]}
