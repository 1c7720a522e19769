"""Three parallel branches, then one step."""

from __future__ import annotations

from typing import Any

from camunda_bridge import define_process

process = define_process("fan-out")


@process.step("branch1", order=1)
def branch1(given: dict[str, Any]) -> dict[str, Any]:
    """Return the customer."""
    return {"customerId": "c-1"}


@process.step("branch2", order=1)
def branch2(given: dict[str, Any]) -> dict[str, Any]:
    """Return the order."""
    return {"orderId": "o-1"}


@process.step("branch3", order=1)
def branch3(given: dict[str, Any]) -> dict[str, Any]:
    """Return the account."""
    return {"accountId": "a-1"}


@process.step("respond", order=2, outcome="ok")
def respond(given: dict[str, Any]) -> dict[str, Any]:
    """Return the variables of the branches."""
    return {name: given[name] for name in ("customerId", "orderId", "accountId")}
