"""The sizes of the whole run and of the quick run."""

from __future__ import annotations

from dataclasses import dataclass

#: processes a second below which a contestant gets smaller measurements
SLOW_RATE = 10.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes of a run. Times are in seconds.

    Attributes:
        workloads: letters of the workloads.
        contestants: names of the contestants.
        rounds: rounds of workloads A, B and F.
        warm: processes that warm the engine up before anything is measured.
        warm_contestant: processes that warm a contestant up after each start.
        latency_count: processes a round in workload A, for each of its two cases.
        latency_rate: starts a second in the second case of workload A.
        clients: numbers of clients in workload B.
        seconds: measured time in workload B, after the ramp.
        few_rounds: contestants that take part in only `slow_rounds` rounds, because their measurements take long.
        slow_rounds: the rounds of those contestants.
        idle_s: measured time in workload E.
        waiting: requests that wait in workload C.
        read_rows: sizes of the database in workload D.
        other_tasks: numbers of other tasks in workload D.
        topics: numbers of further topics in workload D.
        real_clients: clients in workload F.
        real_seconds: measured time in workload F, after the ramp.
    """

    workloads: tuple[str, ...]
    contestants: tuple[str, ...]
    rounds: int
    warm: int = 2000
    warm_contestant: int = 50
    latency_count: int = 200
    latency_rate: float = 10.0
    clients: tuple[int, ...] = (16, 64, 256)
    seconds: float = 10.0
    few_rounds: tuple[str, ...] = ("js",)
    slow_rounds: int = 2
    idle_s: float = 60.0
    waiting: int = 1000
    read_rows: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    other_tasks: tuple[int, ...] = (0, 2_000, 20_000)
    topics: tuple[int, ...] = (1, 50, 500)
    real_clients: int = 64
    real_seconds: float = 20.0


FULL = Plan(
    workloads=tuple("ABCDEFG"),
    contestants=("bare", "ours", "ours-in-place", "js-tuned", "python", "python-tuned", "js"),
    rounds=3,
)

QUICK = Plan(
    workloads=("A", "B", "E"),
    contestants=("bare", "ours", "js-tuned", "python", "js"),
    rounds=2,
    warm=700,
    warm_contestant=20,
    latency_count=30,
    clients=(16,),
    seconds=4.0,
    few_rounds=("js", "python"),
    slow_rounds=1,
    idle_s=10.0,
    waiting=200,
    read_rows=(1_000, 10_000),
    other_tasks=(0, 2_000),
    topics=(1, 50),
    real_seconds=8.0,
)
