"""One run: its plan, its samples, and the checks that belong to every load."""

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
from bench.report import say
from bench.samples import Samples
from bench.tools import ToolMissing


@dataclass(slots=True)
class Bench:
    """What the workloads share.

    Attributes:
        folder: where logs and databases of this run go.
    """

    plan: Plan
    folder: Path
    samples: Samples = field(default_factory=Samples)

    @contextmanager
    def engine(self, environment: dict[str, str] | None = None, warm: int | None = None) -> Iterator[BenchEngine]:
        """A fresh engine, warmed up by `warm` processes."""
        engine = BenchEngine(self.folder, environment)
        say("engine: starting")
        try:
            engine.start()
            count = self.plan.warm if warm is None else warm
            say(f"engine: warming up with {count} processes")
            engine.warm(count)
            yield engine
        finally:
            engine.stop()

    @contextmanager
    def running(self, name: str, engine: BenchEngine, **options: Any) -> Iterator[Contestant | None]:
        """A started and warm contestant, None when its tools are missing; afterwards nothing of it is left."""
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
    """A load and what it cost: CPU milliseconds a process by component."""

    load: LoadResult
    cpu: dict[str, float]


def measure(bench: Bench, engine: BenchEngine, contestant: Contestant, **options: Any) -> Measured:
    """Run a load on a contestant; check by the engine's history that each process that was answered has ended."""
    components = {"engine": [engine.pid], **contestant.pids()}
    finished = engine.finished(contestant.process)
    before: dict[str, float] = {}
    load = contestant.run_load(**options, at_begin=lambda: before.update(cpu_ms(components)))
    after = cpu_ms(components)
    finished = engine.finished(contestant.process) - finished
    if load.errors:
        bench.samples.remark(f"{contestant.name}: {len(load.errors)} processes failed, for example: {load.errors[0]}")
    # A process that failed for its client may have ended all the same.
    if not len(load.ends) <= finished <= len(load.ends) + len(load.errors):
        bench.samples.remark(
            f"{contestant.name}: {len(load.ends)} processes were answered, {finished} have ended in the engine"
        )
    count = max(1, len(load.ends))
    cpu = {name: (after[name] - before[name]) / count for name in components}
    cpu["loop" if contestant.load_is_contestant else "load generator (not counted)"] = load.cpu_ms / count
    return Measured(load, cpu)


def outside_engine_ms(cpu: dict[str, float]) -> float:
    """CPU milliseconds a process of all that is neither engine nor load generator."""
    return sum(value for name, value in cpu.items() if name not in ("engine", "load generator (not counted)"))


def with_options(plan: Plan, **changes: Any) -> Plan:
    """The plan with what the command line says."""
    return replace(plan, **{name: value for name, value in changes.items() if value})
