"""Settings of steps and workers."""

from __future__ import annotations

from dataclasses import dataclass

from settings.reading import setting


@dataclass(frozen=True)
class Steps:
    """Steps and workers."""

    lock_duration_ms: int = setting(
        "int",
        20_000,
        "Duration of the lock of an external task, in milliseconds; while the handler runs, the worker extends it "
        "after half of this time.",
        least=500,
        most=3_600_000,
    )
    poll_interval_ms: int = setting(
        "int", 1_000, "How often beat polls the engine for external tasks, in milliseconds.", least=100, most=60_000
    )
    poll_max_tasks: int = setting("int", 100, "Most external tasks in one fetch.", least=1, most=1_000)
    fetch_slow_ms: int = setting(
        "int",
        12,
        "When fetching the next steps of a process by business key takes longer than this, in milliseconds, workers "
        "list the tasks of the instance and lock each instead, as long as that is faster.",
        least=1,
    )
    steps_in_place_ms: int = setting(
        "int",
        0,
        "How long a worker runs the next steps of a process as inline steps, without a message for each, in "
        "milliseconds. 0: never. This is faster for short steps, but Flower shows only the first of them.",
        most=10_000,
    )
    step_time_limit_s: int = setting(
        "int", 300, "Longest run of a step handler, in seconds, for steps that do not set their own limit.", least=1
    )
    step_max_lost: int = setting(
        "int", 3, "How many attempts of a step may be lost with their worker before an incident opens.", least=1
    )
    step_max_memory_mb: int = setting(
        "int",
        2_048,
        "Most memory that the process of an isolated step, or a child of a prefork worker, may allocate, in MiB; 0: no "
        "limit.",
        least=0,
    )
    max_running: int = setting(
        "int", 100_000, "Most running instances; while there are more, accepted starts wait in their queue.", least=1
    )
    worker_pool: str = setting(
        "str",
        "threads",
        "How a worker runs steps: `threads`, or `prefork`, Celery's pool of processes; `celery worker --pool` wins.",
        one_of=("threads", "prefork"),
    )
    worker_concurrency: int = setting(
        "int", 32, "Slots of one worker: how many steps it runs at once, each in a thread.", least=1, most=1_000
    )
    worker_max_stuck: int = setting(
        "int",
        4,
        "How many threads of a worker may hang in C code beyond their time limit. With one more the worker ends with "
        "exit code 1, so that its supervisor starts it anew.",
        most=1_000,
    )
    worker_alive_dir: str = setting(
        "str",
        "",
        "Folder for the file of a worker that `python -m tasks.alive` reads. Empty: the folder for temporary files of "
        "the system.",
    )
    worker_grace_s: int = setting(
        "int", 20, "Grace period: how long running steps may continue after SIGTERM, in seconds.", least=1
    )
    db_hold_s: int = setting(
        "int",
        120,
        "How long a worker with a finished handler waits for an unavailable database, in seconds; it extends the lock "
        "during the wait.",
        least=1,
    )
