"""The process monitor."""

from __future__ import annotations

from dataclasses import dataclass

from settings.reading import setting


@dataclass(frozen=True)
class Monitor:
    """The process monitor."""

    monitor: str = setting(
        "str",
        "on",
        "`/monitor`: `on`, `read-only` (nobody starts, retries or cancels there), or `off`.",
        one_of=("on", "read-only", "off"),
    )
    monitor_session_s: int = setting(
        "int", 28_800, "How long a login to the monitor holds, in seconds.", least=60, most=2_592_000
    )
    monitor_flower_url: str = setting(
        "str",
        "",
        "Root of Flower as browsers reach it: the monitor links to tasks.",
        schemes=("http", "https"),
        optional=True,
    )
    monitor_cockpit_url: str = setting(
        "str",
        "",
        "Root of the engine's Cockpit as browsers reach it: the monitor links to instances.",
        schemes=("http", "https"),
        optional=True,
    )
