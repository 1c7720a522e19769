"""Start a load generator, begin the load, and read its result."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dev.environment import ROOT

#: seconds beyond the planned ones after which a load is stopped
GIVE_UP_S = 300.0


class LoadFailed(Exception):
    """The load generator failed, or processes failed."""


@dataclass(frozen=True, slots=True)
class Load:
    """The options of the load generator; see `bench/load.py`."""

    runner: str
    url: str
    process: str = "bench-five"
    clients: int = 1
    seconds: float = 0.0
    count: int = 0
    rate: float = 0.0


@dataclass(slots=True)
class LoadResult:
    """The result of the load generator.

    Attributes:
        load: its options.
        ends: for each process that ended well, seconds since the begin, and its latency in milliseconds.
        errors: one text for each process that did not end well.
        seconds: from the begin to the last end.
        cpu_ms: CPU time of the load generator.
    """

    load: Load
    ends: list[tuple[float, float]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0
    cpu_ms: float = 0.0

    @property
    def latencies_ms(self) -> list[float]:
        """Latencies, sorted."""
        return sorted(latency for _, latency in self.ends)

    def percentile(self, percent: float) -> float:
        """A percentile of the latencies, in milliseconds."""
        ordered = self.latencies_ms
        if not ordered:
            return float("nan")
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]

    def rate(self, after_s: float, before_s: float) -> float:
        """Ends a second between two times."""
        return sum(1 for at, _ in self.ends if after_s <= at < before_s) / (before_s - after_s)

    def mean_ms(self) -> float:
        """Mean latency, in milliseconds."""
        return statistics.fmean(self.latencies_ms)

    def require_good(self) -> LoadResult:
        """Return this result if all processes ended well.

        Raises:
            LoadFailed: a process did not end well, or there is none.
        """
        if self.errors or not self.ends:
            raise LoadFailed(f"{len(self.errors)} processes failed, {len(self.ends)} did not: {self.errors[:3]}")
        return self


def run_load(load: Load, at_begin: Callable[[], Any] = lambda: None) -> LoadResult:
    """Run a load.

    Args:
        load: the options of the generator.
        at_begin: called when the generator is ready, before it begins.

    Raises:
        LoadFailed: the generator failed.
    """
    command = [sys.executable, "-m", "bench.load", "--runner", load.runner, "--url", load.url]
    command += ["--process", load.process, "--clients", str(load.clients)]
    for option in ("seconds", "count", "rate"):
        if value := getattr(load, option):
            command += [f"--{option}", str(value)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as generator:
        try:
            if generator.stdout is None or generator.stdout.readline() != "ready\n":
                raise LoadFailed(f"the load generator did not start: {generator.communicate(timeout=10)[1][-2000:]}")
            at_begin()
            result, errors = generator.communicate("go\n", timeout=load.seconds + GIVE_UP_S)
        finally:
            generator.kill()
    if generator.returncode != 0:
        raise LoadFailed(f"the load generator failed: {errors[-2000:]}")
    document = json.loads(result)
    return LoadResult(
        load=load,
        ends=[(at, latency) for at, latency in document["ends"]],
        errors=document["errors"],
        seconds=document["seconds"],
        cpu_ms=document["cpu_ms"],
    )
