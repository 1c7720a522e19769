"""A response step with a result that the test sets, beside a variable that another program may set."""

from __future__ import annotations

from typing import Any

from camunda_bridge import define_process

process = define_process("odd-answer")


@process.step("make", order=1)
def make(given: dict[str, Any]) -> dict[str, Any]:
    """Return nothing; a test replaces this function."""
    return {}


@process.step("answer", order=2, outcome="ok")
def answer(given: dict[str, Any]) -> dict[str, Any]:
    """Return the whole input."""
    return given
