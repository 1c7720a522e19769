"""Variables that no handler made: a Date in the year 10026, lists and maps of input mappings in nested scopes."""

from __future__ import annotations

from typing import Any

from camunda_bridge import define_process

process = define_process("odd-values")


@process.step("make", order=1)
def make(given: dict[str, Any]) -> dict[str, Any]:
    """Return nothing; a test replaces this function."""
    return {}


@process.step("use", order=2)
def use(given: dict[str, Any]) -> dict[str, Any]:
    """Return nothing; a test replaces this function."""
    return {}
