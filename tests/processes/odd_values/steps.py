"""Variables that a handler did not make: a Date in the year 10026, lists and maps of input mappings in nested scopes."""

from __future__ import annotations

from typing import Any

from camunda_bridge import define_process

process = define_process("odd-values")


@process.step("make", order=1)
def make(given: dict[str, Any]) -> dict[str, Any]:
    """Nothing, unless a test replaces it."""
    return {}


@process.step("use", order=2)
def use(given: dict[str, Any]) -> dict[str, Any]:
    """Nothing, unless a test replaces it."""
    return {}
