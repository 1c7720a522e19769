"""The store."""

from __future__ import annotations

from dataclasses import dataclass

from settings.reading import setting


@dataclass(frozen=True)
class Store:
    """The store."""

    db_pool_size: int = setting("int", 8, "Database connections that a web process keeps.", least=1, most=500)
    db_timeout_ms: int = setting(
        "int",
        2_000,
        "Longest wait for a database connection, a lock or a statement, in milliseconds.",
        least=100,
        most=60_000,
    )
    result_expires_s: int = setting(
        "int", 3_600, "How long Redis keeps a process's result for late waiters, in seconds.", least=60
    )

    retention_days: int = setting(
        "int",
        0,
        "Days after its end at which a process and its events are deleted; 0 keeps everything.",
        least=0,
        most=36_500,
    )
    purge_interval_ms: int = setting(
        "int",
        60_000,
        "How often old rows are deleted, in milliseconds; each time for at most 10 s.",
        least=20_000,
        most=86_400_000,
    )
