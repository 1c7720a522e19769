"""Workload B: processes a second with many clients, and the CPU time of a process by component."""

from __future__ import annotations

from bench.contestants import Contestant
from bench.engine import BenchEngine
from bench.plan import SLOW_RATE
from bench.session import Bench, measure, outside_engine_ms

#: first seconds, which do not count
RAMP_S = 1.0


def run(bench: Bench, engine: BenchEngine, contestant: Contestant, round_: int) -> None:
    """Measure one contestant in one round."""
    for clients in bench.plan.clients:
        if contestant.least_rate < SLOW_RATE and clients > bench.plan.clients[0] and round_ > 1:
            bench.samples.remark(f"{contestant.name}: from {clients} clients up in the first round only")
            continue
        # A slow contestant ends no process before its first clients have got an answer.
        ramp_s = max(RAMP_S, clients / contestant.least_rate)
        seconds = ramp_s + bench.plan.seconds
        measured = measure(bench, engine, contestant, clients=clients, seconds=seconds)
        cpu = measured.cpu
        outside = outside_engine_ms(cpu)
        numbers = {
            "processes/s": measured.load.rate(ramp_s, seconds),
            "p50 ms": measured.load.percentile(50),
            "p99 ms": measured.load.percentile(99),
            "engine CPU ms": cpu["engine"],
            "outside CPU ms": outside,
            "outside/engine": outside / cpu["engine"] if cpu["engine"] else float("nan"),
            **{f"cpu {name}": value for name, value in cpu.items()},
        }
        bench.samples.put("B", f"{clients} clients", contestant.name, round_, numbers)
