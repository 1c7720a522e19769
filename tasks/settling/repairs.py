"""The metric of the reconciler: what it has repaired."""

from __future__ import annotations

from telemetry.metrics import declared


def count_repair(kind: str) -> None:
    """Count one repair."""
    declared.REPAIRS.labels(kind).inc()
