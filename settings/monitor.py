"""Settings of the monitor."""

from __future__ import annotations

from dataclasses import dataclass

from settings.reading import setting


@dataclass(frozen=True)
class Monitor:
    """Monitor."""

    monitor: str = setting(
        "str",
        "on",
        "The pages under `/monitor`: `on`, `read-only` (without start, retry and cancel), or `off`.",
        one_of=("on", "read-only", "off"),
    )
    monitor_session_s: int = setting(
        "int", 28_800, "How long a login to the monitor is valid, in seconds.", least=60, most=2_592_000
    )
    monitor_flower_url: str = setting(
        "str",
        "",
        "Root URL of Flower for browsers, to which the monitor links tasks. Empty: no links.",
        schemes=("http", "https"),
        optional=True,
    )
    monitor_cockpit_url: str = setting(
        "str",
        "",
        "Root URL of the engine's Cockpit for browsers, to which the monitor links instances. Empty: no links.",
        schemes=("http", "https"),
        optional=True,
    )
