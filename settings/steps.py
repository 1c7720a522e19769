"""The steps."""

from __future__ import annotations

from dataclasses import dataclass

from settings.reading import setting


@dataclass(frozen=True)
class Steps:
    """The steps."""

    lock_duration_ms: int = setting(
        "int",
        20_000,
        "How long an external task is locked, in milliseconds; a running handler extends it at half time.",
        least=500,
        most=3_600_000,
    )
    poll_interval_ms: int = setting(
        "int", 1_000, "How often beat polls the engine for external tasks, in milliseconds.", least=100, most=60_000
    )
    poll_max_tasks: int = setting("int", 100, "Most external tasks that one fetch locks.", least=1, most=1_000)
    fetch_slow_ms: int = setting(
        "int",
        12,
        "Fetches of a process's next steps that take longer, in milliseconds, are given up for listing its tasks and "
        "locking each, while that is quicker.",
        least=1,
    )
    steps_in_place_ms: int = setting(
        "int",
        0,
        "How long a worker goes on with the next steps of a process at once, in milliseconds, instead of sending a "
        "message for each; 0: never. Faster and cheaper for short steps; Flower shows the first of them alone.",
        most=10_000,
    )
    step_time_limit_s: int = setting(
        "int", 300, "Longest run of a step handler, in seconds, unless the step says otherwise.", least=1
    )
    step_max_lost: int = setting(
        "int", 3, "Attempts of a step that may be lost with their worker before an incident is made.", least=1
    )
    step_max_memory_mb: int = setting(
        "int", 2_048, "Memory that one worker process may allocate, in MiB; 0 for no bound.", least=0
    )
    max_running: int = setting(
        "int", 100_000, "Running instances beyond which accepted starts stay in their queue.", least=1
    )
    worker_concurrency: int = setting("int", 8, "Steps that one worker runs at once: its slots.", least=1, most=1_000)
    worker_alive_dir: str = setting(
        "str",
        "",
        "Folder in which a worker keeps the file that `python -m tasks.alive` reads; empty for the system's temporary "
        "one.",
    )
    worker_grace_s: int = setting(
        "int", 20, "After SIGTERM, how long a worker lets running steps end, in seconds.", least=1
    )
    db_hold_s: int = setting(
        "int",
        120,
        "How long a finished handler waits for a database that is away, its lock kept alive, in seconds.",
        least=1,
    )
