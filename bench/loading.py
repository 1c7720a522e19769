"""Start a load generator, give it the word, read what it tells."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dev.environment import ROOT

#: seconds beyond the planned ones after which a load is given up
GIVE_UP_S = 300.0


class LoadFailed(Exception):
    """The load generator ended badly, or processes did."""


@dataclass(frozen=True, slots=True)
class Load:
    """What the load generator is asked to do; see `bench/load.py`."""

    runner: str
    url: str
    process: str = "bench-five"
    clients: int = 1
    seconds: float = 0.0
    count: int = 0
    rate: float = 0.0


@dataclass(slots=True)
class LoadResult:
    """What it told.

    Attributes:
        ends: seconds since the begin and latency in milliseconds of each good process.
        errors: one text a process that did not end well.
        seconds: from the begin to the last end.
        cpu_ms: CPU of the load generator.
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
        """This result.

        Raises:
            LoadFailed: a process did not end well.
        """
        if self.errors or not self.ends:
            raise LoadFailed(f"{len(self.errors)} processes failed, {len(self.ends)} did not: {self.errors[:3]}")
        return self


def run_load(load: Load, at_begin: Callable[[], Any] = lambda: None) -> LoadResult:
    """Run a load; `at_begin` is called when the generator is ready and before it begins.

    Raises:
        LoadFailed: the generator ended badly.
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
            told, complaints = generator.communicate("go\n", timeout=load.seconds + GIVE_UP_S)
        finally:
            generator.kill()
    if generator.returncode != 0:
        raise LoadFailed(f"the load generator failed: {complaints[-2000:]}")
    document = json.loads(told)
    return LoadResult(
        load=load,
        ends=[(at, latency) for at, latency in document["ends"]],
        errors=document["errors"],
        seconds=document["seconds"],
        cpu_ms=document["cpu_ms"],
    )
