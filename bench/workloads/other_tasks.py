"""Workload D, other tasks: latency of five steps beside thousands of tasks that wait, are locked or have an incident.

All other tasks are in the topic of the first step. Ours runs without beat here, because its poll would run the waiting
tasks.
"""

from __future__ import annotations

from pathlib import Path

from bench.contestants import Contestant
from bench.contestants.bare import Bare
from bench.contestants.ours import Ours
from bench.engine import BATCH, BenchEngine
from bench.loading import Load, run_load
from bench.postgres import postgres
from bench.report import print_progress
from bench.session import Bench
from bench.tools import ToolMissing
from bench.workloads.latency import percentiles

#: processes that are measured in each case, and processes that run before them
COUNT, WARM_COUNT = 60, 10
#: lock of the other tasks, in milliseconds
LOCK_MS = 3_600_000
TOPIC = "bench-five.s1"


class WithoutBeat(Ours):
    """Ours without beat: it fetches only tasks of the instances that it has started."""

    without = ("beat", "flower")


def run(bench: Bench) -> None:
    """Measure on H2, then on PostgreSQL."""
    bench.samples.remark("D, other tasks: ours runs without beat, because its poll would run the waiting tasks")
    _on(bench, "H2", None)
    try:
        with postgres(bench.folder / "logs" / "postgres.log") as environment:
            _on(bench, "PostgreSQL", environment)
    except ToolMissing as error:
        bench.samples.remark(f"D on PostgreSQL was skipped: {error}")


def _on(bench: Bench, database: str, environment: dict[str, str] | None) -> None:
    with bench.engine(environment) as engine:
        ours = WithoutBeat(engine.url, bench.folder / f"other-{database}")
        bare = Bare(engine.url, Path())
        ours.start()
        try:
            # One client: a step that finds no free slot would be left to the poll, which does not run here.
            ours.warm(bench.plan.warm_contestant, clients=1)
            for count in sorted(bench.plan.other_tasks):
                print_progress(f"D on {database}: {count} other tasks")
                _add_others(engine, count)
                _measure(bench, f"{database}, {count:,} waiting", (ours, bare))
            if count := max(bench.plan.other_tasks):
                _lock(engine, count)
                _measure(bench, f"{database}, {count:,} locked", (ours, bare))
                _fail(engine)
                _measure(bench, f"{database}, {count:,} with an incident", (ours, bare))
        finally:
            ours.stop()


def _measure(bench: Bench, case: str, contestants: tuple[Contestant, ...]) -> None:
    for contestant in contestants:
        contestant.run_load(count=WARM_COUNT)
        load = contestant.run_load(count=COUNT)
        if load.errors:
            bench.samples.remark(f"D, {case}: {contestant.name}: {load.errors[0]}")
        numbers = percentiles(load, (50, 99))
        bench.samples.put("D", case, contestant.name, 1, numbers)


def _add_others(engine: BenchEngine, wanted: int) -> None:
    missing = wanted - engine.waiting_tasks()
    if missing > 0:
        load = Load(runner="only-start", url=engine.url, clients=8, count=missing)
        run_load(load).require_good()


def _lock(engine: BenchEngine, count: int) -> None:
    locked = 0
    while locked < count:
        tasks = engine.rest.post(
            "/external-task/fetchAndLock",
            {
                "workerId": "bench-other",
                "maxTasks": BATCH,
                "topics": [{"topicName": TOPIC, "lockDuration": LOCK_MS, "variables": []}],
            },
        )
        if not tasks:
            raise RuntimeError(f"only {locked} of {count} tasks could be locked")
        locked += len(tasks)


def _fail(engine: BenchEngine) -> None:
    while ids := [
        task["id"] for task in engine.rest.get(f"/external-task?withRetriesLeft=true&locked=true&maxResults={BATCH}")
    ]:
        engine.rest.call("PUT", "/external-task/retries", {"retries": 0, "externalTaskIds": ids})
