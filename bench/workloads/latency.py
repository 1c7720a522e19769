"""Workload A: how soon a client gets its answer, with one client and at a steady 10 requests a second."""

from __future__ import annotations

from collections.abc import Iterable

from bench.contestants import Contestant
from bench.engine import BenchEngine
from bench.loading import LoadResult
from bench.plan import SLOW_RATE
from bench.session import Bench, measure

#: most connections of the open loop
OPEN_LOOP_CLIENTS = 100


def run(bench: Bench, engine: BenchEngine, contestant: Contestant, round_: int) -> None:
    """Measure one contestant in one round."""
    plan = bench.plan
    count = plan.latency_count
    if contestant.least_rate < SLOW_RATE:
        count = max(8, count // 5)
        bench.samples.remark(f"{contestant.name}: {count} instead of {plan.latency_count} processes a round in A")
    alone = measure(bench, engine, contestant, count=count)
    bench.samples.put("A", "one client", contestant.name, round_, percentiles(alone.load))
    steady = measure(bench, engine, contestant, clients=OPEN_LOOP_CLIENTS, count=count, rate=plan.latency_rate)
    bench.samples.put("A", f"{plan.latency_rate:.0f} a second", contestant.name, round_, percentiles(steady.load))


def percentiles(load: LoadResult, percents: Iterable[int] = (50, 95, 99)) -> dict[str, float]:
    """The percentiles of a load, in milliseconds."""
    return {f"p{percent} ms": load.percentile(percent) for percent in percents}
