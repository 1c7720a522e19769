"""Reconciling."""

from __future__ import annotations

from dataclasses import dataclass

from settings.reading import setting


@dataclass(frozen=True)
class Reconciling:
    """Reconciling."""

    reconcile_interval_ms: int = setting(
        "int", 10_000, "How often rows and engine are compared, in milliseconds.", least=500, most=600_000
    )
    resend_after_s: int = setting(
        "int", 20, "Age at which a start that is in no queue is sent again, in seconds.", least=1
    )
