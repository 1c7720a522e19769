"""Settings of the store."""

from __future__ import annotations

from dataclasses import dataclass

from settings.reading import setting


@dataclass(frozen=True)
class Store:
    """Store."""

    db_pool_size: int = setting(
        "int", 8, "Most database connections in each of the two pools of a web process or worker.", least=1, most=500
    )
    db_timeout_ms: int = setting(
        "int",
        2_000,
        "Longest wait for a database connection, a lock or a statement, in milliseconds.",
        least=100,
        most=60_000,
    )
    result_expires_s: int = setting(
        "int", 3_600, "How long Redis keeps the result of a process for requests that wait, in seconds.", least=60
    )
    record_foreign_instances: str = setting(
        "str",
        "on",
        "Whether process instances that others started in the engine (Cockpit, a timer, a message, another client) are "
        "listed like those of the API, from their first step that runs here: `on` or `off`.",
        one_of=("on", "off"),
    )
    retention_days: int = setting(
        "int",
        0,
        "How many days after its end a process is deleted with its events; 0: never.",
        least=0,
        most=36_500,
    )
    purge_interval_ms: int = setting(
        "int",
        60_000,
        "How often old processes are deleted, in milliseconds; each run takes at most 10 s.",
        least=20_000,
        most=86_400_000,
    )
