"""Settings of the reconciler."""

from __future__ import annotations

from dataclasses import dataclass

from settings.reading import setting


@dataclass(frozen=True)
class Reconciling:
    """Reconciler."""

    reconcile_interval_ms: int = setting(
        "int", 10_000, "How often the reconciler compares rows and engine, in milliseconds.", least=500, most=600_000
    )
    resend_after_s: int = setting(
        "int", 20, "How long a start may go without progress before it is sent again, in seconds.", least=1
    )
