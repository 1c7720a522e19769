"""A step that gives its client what a test puts into it, beside a variable that another program may bring."""

from __future__ import annotations

from typing import Any

from camunda_bridge import define_process

process = define_process("odd-answer")


@process.step("make", order=1)
def make(given: dict[str, Any]) -> dict[str, Any]:
    """Nothing, unless a test replaces it."""
    return {}


@process.step("answer", order=2, outcome="ok")
def answer(given: dict[str, Any]) -> dict[str, Any]:
    """All that it was given."""
    return given
