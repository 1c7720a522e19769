"""The steps of `bench-five`: they do nothing, so that only the work around them is measured."""

from __future__ import annotations

from typing import Any

from camunda_bridge import define_process

process = define_process("bench-five", process_name="Five empty steps")


@process.step("s1", order=1)
def first(variables: dict[str, Any]) -> dict[str, Any]:
    """Do nothing."""
    return {}


@process.step("s2", order=2)
def second(variables: dict[str, Any]) -> dict[str, Any]:
    """Do nothing."""
    return {}


@process.step("s3", order=3)
def third(variables: dict[str, Any]) -> dict[str, Any]:
    """Do nothing."""
    return {}


@process.step("s4", order=4)
def fourth(variables: dict[str, Any]) -> dict[str, Any]:
    """Do nothing."""
    return {}


@process.step("s5", order=5, outcome="ok")
def last(variables: dict[str, Any]) -> dict[str, Any]:
    """Return the result that the client waits for."""
    return {"done": True}
