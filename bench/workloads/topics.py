"""Workload D, topics: latency of five steps while the installation has further processes with topics of their own."""

from __future__ import annotations

import os
from pathlib import Path

from bench.contestants import Contestant
from bench.contestants.bare import Bare
from bench.contestants.ours import Ours
from bench.engine import PROCESSES
from bench.report import print_progress
from bench.session import Bench
from bench.workloads.latency import percentiles

#: processes that are measured
COUNT = 60
PACKAGE = "many_processes"

STEPS = '''"""Made by the benchmark."""

from typing import Any

from camunda_bridge import define_process

process = define_process("{key}", bpmn="process.bpmn")


@process.step("held", outcome="ok")
def held(variables: dict[str, Any]) -> dict[str, Any]:
    """Do nothing."""
    return {{}}
'''


class WithMany(Ours):
    """Ours, with further processes from a generated package."""


def run(bench: Bench) -> None:
    """Measure with each number of further topics on the same engine."""
    with bench.engine() as engine:
        for count in bench.plan.topics:
            print_progress(f"D: {count} further topics")
            folder = bench.folder / f"topics-{count}"
            make_package(folder, count)
            ours = WithMany(engine.url, folder)
            search = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
            ours.settings = {"PROCESSES": f"bench.processes,{PACKAGE}", "PYTHONPATH": search}
            ours.start()
            try:
                ours.warm(bench.plan.warm_contestant)
                _measure(bench, count, ours)
            finally:
                ours.stop()
            engine.settle(2.0)
            # After ours has stopped: its poll would fetch the bare loop's tasks.
            _measure(bench, count, Bare(engine.url, folder))


def _measure(bench: Bench, count: int, contestant: Contestant) -> None:
    load = contestant.run_load(count=COUNT).require_good()
    numbers = percentiles(load, (50, 99))
    bench.samples.put("D", f"{count} further topics", contestant.name, 1, numbers)


def make_package(folder: Path, count: int) -> None:
    """Write a package with `count` processes of one step each."""
    bpmn = (PROCESSES / "hold" / "bench_hold.bpmn").read_text()
    package = folder / PACKAGE
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    for number in range(count):
        one = package / f"p{number}"
        one.mkdir()
        (one / "__init__.py").touch()
        (one / "steps.py").write_text(STEPS.format(key=f"bench-many-{number}"))
        (one / "process.bpmn").write_text(bpmn.replace("bench-hold", f"bench-many-{number}"))
