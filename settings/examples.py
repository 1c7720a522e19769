"""Settings of the example processes."""

from __future__ import annotations

from dataclasses import dataclass

from settings.reading import setting


@dataclass(frozen=True)
class Examples:
    """Example processes."""

    partner_base_url: str = setting(
        "str",
        "http://127.0.0.1:8090",
        "Root URL of the partner services that the example processes call.",
        schemes=("http", "https"),
    )
    partner_timeout_ms: int = setting(
        "int", 5_000, "Longest wait for the answer of a partner service, in milliseconds.", least=50
    )
