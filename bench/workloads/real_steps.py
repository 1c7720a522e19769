"""Workload F: steps that wait 200 ms for HTTP, 64 processes at the same time, for ours and the tuned JavaScript client.

There are two cases for both contestants: as many steps at the same time as ours runs by default, and 64.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench.session import Bench, measure, outside_engine_ms
from dev.children import Child
from dev.environment import ROOT, defaults
from dev.ports import LOOPBACK, free_port
from dev.probes import answers

#: steps of a process, and seconds that each waits
STEPS, STEP_S = 5, 0.2


def run(bench: Bench) -> None:
    """Measure both cases, in interleaved rounds."""
    plan = bench.plan
    shipped = int(defaults()["WORKER_CONCURRENCY"])
    with slow_server(bench) as url, bench.engine() as engine:
        for number in range(1, plan.rounds + 1):
            for slots in (shipped, plan.real_clients):
                for name in ("ours", "js-tuned"):
                    options = {"process": "bench-wait", "slow_url": url, "slots": slots}
                    with bench.running(name, engine, **options) as contestant:
                        if contestant is None:
                            continue
                        # Each client must have got an answer before the measured time begins.
                        ramp_s = max(2.0, 1.5 * plan.real_clients * STEPS * STEP_S / slots)
                        seconds = ramp_s + plan.real_seconds
                        measured = measure(bench, engine, contestant, clients=plan.real_clients, seconds=seconds)
                        rate = measured.load.rate(ramp_s, seconds)
                        numbers = {
                            "processes/s": rate,
                            "of the possible": rate * STEPS * STEP_S / min(slots, plan.real_clients),
                            "p50 ms": measured.load.percentile(50),
                            "outside CPU ms": outside_engine_ms(measured.cpu),
                            **{f"cpu {part}": value for part, value in measured.cpu.items()},
                        }
                        note = ", as shipped" if slots == shipped else ""
                        case = f"{plan.real_clients} clients, {slots} steps at once{note}"
                        bench.samples.put("F", case, name, number, numbers)


@contextmanager
def slow_server(bench: Bench) -> Iterator[str]:
    """Run the slow server; the value is its address."""
    port = free_port()
    child = Child(
        "slow server",
        [sys.executable, "-m", "bench.slow_server", str(port)],
        log=bench.folder / "logs" / "slow-server.log",
        cwd=ROOT,
        ready=lambda child: answers(f"http://{LOOPBACK}:{port}/"),
    )
    child.start()
    try:
        child.wait_ready(20)
        yield f"http://{LOOPBACK}:{port}"
    finally:
        child.terminate(2)
