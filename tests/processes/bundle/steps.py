"""A package of two processes, a decision table and a form, bound to each other by their deployment."""

from __future__ import annotations

from typing import Any

from camunda_bridge import define_process

process = define_process("bundle")
part = define_process("bundle-part")


@part.step("work")
def work(given: dict[str, Any]) -> dict[str, bool]:
    """The only step of the called process."""
    return {"worked": True}


@process.step("answer", outcome="ok")
def answer(given: dict[str, Any]) -> dict[str, Any]:
    """What the decision and the called process gave."""
    return {"discount": given["discount"], "worked": given["worked"]}
