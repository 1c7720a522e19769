"""Workload E: the cost of ours without work."""

from __future__ import annotations

import time

from bench.counting_proxy import CountingProxy
from bench.cpu import cpu_ms
from bench.report import print_progress
from bench.session import Bench


def run(bench: Bench) -> None:
    """Measure our processes without work, with a counting proxy before the engine."""
    idle_s = bench.plan.idle_s
    with (
        bench.engine(warm=0) as engine,
        CountingProxy(engine.url) as proxy,
        bench.running("ours", engine, engine_url=proxy.url) as ours,
    ):
        if ours is None:
            return
        time.sleep(max(5.0, idle_s / 4))
        print_progress(f"E: idle for {idle_s:.0f} s")
        components = {"engine (not counted)": [engine.pid], **ours.pids()}
        before = cpu_ms(components)
        proxy.reset()
        begun = time.monotonic()
        time.sleep(idle_s)
        seconds = time.monotonic() - begun
        after = cpu_ms(components)
        requests = sum(proxy.counts.values())
        percent = {name: (after[name] - before[name]) / seconds / 10 for name in components}
        total = sum(value for name, value in percent.items() if not name.startswith("engine"))
        bench.samples.put(
            "E",
            f"no work for {idle_s:.0f} s",
            "ours",
            1,
            {
                "% of a core": total,
                "engine requests a minute": requests * 60 / seconds,
                **{f"{name} %": value for name, value in percent.items()},
            },
        )
