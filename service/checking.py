"""Compare the BPMN files of this installation with its code, for the facade's commands."""

from __future__ import annotations

from camunda_bridge.check import Finding, check
from tasks.processes import registry

__all__ = ["Finding", "check_all"]


def check_all() -> list[Finding]:
    """All differences between diagrams and code, also those that a diagram excuses. Reads only files."""
    return check(registry, registry.shared)
