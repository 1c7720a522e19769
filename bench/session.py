"""One run: its plan, its samples, and the checks of every load."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.contestants import ALL, Contestant
from bench.cpu import cpu_ms
from bench.engine import BenchEngine
from bench.loading import LoadResult
from bench.plan import Plan
from bench.report import print_progress
from bench.samples import Samples
from bench.tools import ToolMissing


@dataclass(slots=True)
class Bench:
    """The shared state of the workloads.

    Attributes:
        plan: the sizes of the run.
        folder: the folder of logs and databases of this run.
        samples: the measured values.
    """

    plan: Plan
    folder: Path
    samples: Samples = field(default_factory=Samples)

    @contextmanager
    def engine(self, environment: dict[str, str] | None = None, warm: int | None = None) -> Iterator[BenchEngine]:
        """Run a fresh engine that `warm` processes have warmed up."""
        engine = BenchEngine(self.folder, environment)
        print_progress("engine: starting")
        try:
            engine.start()
            count = self.plan.warm if warm is None else warm
            print_progress(f"engine: warming up with {count} processes")
            engine.warm(count)
            yield engine
        finally:
            engine.stop()

    @contextmanager
    def running(self, name: str, engine: BenchEngine, **options: Any) -> Iterator[Contestant | None]:
        """Run a warm contestant, and remove all that it leaves behind; None if its tools are missing."""
        contestant = ALL[name](options.pop("engine_url", engine.url), self.folder / name, **options)
        try:
            contestant.start()
        except ToolMissing as error:
            self.samples.remark(f"{name} was not measured: {error}")
            yield None
            return
        try:
            contestant.warm(self.plan.warm_contestant)
            yield contestant
        finally:
            contestant.stop()
            if left := engine.settle(contestant.pause_s):
                self.samples.remark(f"{name} left {left} instances behind, which were deleted")


@dataclass(frozen=True, slots=True)
class Measured:
    """A load and its cost: milliseconds of CPU time a process, by component."""

    load: LoadResult
    cpu: dict[str, float]


def measure(bench: Bench, engine: BenchEngine, contestant: Contestant, **options: Any) -> Measured:
    """Run a load on a contestant, and check in the engine's history that each answered process has ended."""
    components = {"engine": [engine.pid], **contestant.pids()}
    finished = engine.finished(contestant.process)
    before: dict[str, float] = {}
    load = contestant.run_load(**options, at_begin=lambda: before.update(cpu_ms(components)))
    after = cpu_ms(components)
    finished = engine.finished(contestant.process) - finished
    if load.errors:
        bench.samples.remark(f"{contestant.name}: {len(load.errors)} processes failed, for example: {load.errors[0]}")
    # A process whose client got an error may have ended in the engine.
    if not len(load.ends) <= finished <= len(load.ends) + len(load.errors):
        bench.samples.remark(
            f"{contestant.name}: {len(load.ends)} processes were answered, {finished} have ended in the engine"
        )
    count = max(1, len(load.ends))
    cpu = {name: (after[name] - before[name]) / count for name in components}
    cpu["loop" if contestant.load_is_contestant else "load generator (not counted)"] = load.cpu_ms / count
    return Measured(load, cpu)


def outside_engine_ms(cpu: dict[str, float]) -> float:
    """CPU time a process of all components except engine and load generator, in milliseconds."""
    return sum(value for name, value in cpu.items() if name not in ("engine", "load generator (not counted)"))


def with_options(plan: Plan, **changes: Any) -> Plan:
    """The plan with the options of the command line; an option that is empty changes nothing."""
    return replace(plan, **{name: value for name, value in changes.items() if value})
