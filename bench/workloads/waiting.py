"""Workload C: 1,000 requests that wait at once in one web process: wake-up latency, memory, Redis connections."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from urllib.parse import urlsplit

from bench.connections import connections_to
from bench.contestants.ours import Ours
from bench.cpu import rss_mb
from bench.engine import BenchEngine
from bench.report import print_progress
from bench.session import Bench
from dev.environment import ROOT

#: seconds that starting all instances may take
START_S = 300.0
#: the clients must wait until all have been started, which takes longer than the default of 25 s on a small machine
SETTINGS = {"SYNC_TIMEOUT_MS": 600_000}


class Patient(Ours):
    """Ours, with a longer wait."""

    settings = SETTINGS


def run(bench: Bench) -> None:
    """Let the clients wait, end each process, and measure the answers."""
    bench.samples.remark("C: SYNC_TIMEOUT_MS is raised, so that all clients wait before the first is answered")
    with bench.engine(warm=bench.plan.warm // 4) as engine:
        ours = Patient(engine.url, bench.folder / "waiting")
        ours.start()
        try:
            ours.warm(bench.plan.warm_contestant)
            _measure(bench, engine, ours)
        finally:
            ours.stop()
            engine.delete_leftovers()


def _measure(bench: Bench, engine: BenchEngine, ours: Ours) -> None:
    count = bench.plan.waiting
    web = ours.pids()["web"]
    redis_url = ours.stack.environment.get("REDIS_URL")
    port = urlsplit(redis_url).port or 0
    before_mb = rss_mb(web)
    before = connections_to(port, web[0])
    command = [sys.executable, "-m", "bench.wakeups", "--url", ours.stack.url, "--redis", redis_url]
    with subprocess.Popen(
        [*command, "--count", str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as clients:
        try:
            if clients.stdout is None or clients.stdout.readline() != "waiting\n":
                raise RuntimeError("the waiting clients did not start")
            _all_started(engine, count)
            print_progress(f"C: {count} requests wait")
            waiting_mb = rss_mb(web)
            waiting = connections_to(port, web[0])
            result, _ = clients.communicate("go\n", timeout=START_S)
        finally:
            clients.kill()
    document = json.loads(result)
    if document["errors"]:
        bench.samples.remark(f"C: {len(document['errors'])} requests failed: {document['errors'][0]}")
    numbers = {
        "answered": float(len(document["completions_ms"])),
        "RSS of web MiB": waiting_mb,
        "RSS before MiB": before_mb,
        "Redis connections of web": float(waiting),
        "before": float(before),
    }
    for name, key in (("wake-up", "wakeups_ms"), ("complete to answer", "completions_ms")):
        values = document[key] or [float("nan")]
        for percent in (50, 99):
            numbers[f"{name} p{percent} ms"] = values[min(len(values) - 1, len(values) * percent // 100)]
    bench.samples.put("C", f"{count} waiting", "ours", 1, numbers)


def _all_started(engine: BenchEngine, count: int) -> None:
    deadline = time.monotonic() + START_S
    while engine.running("bench-hold") < count:
        if time.monotonic() > deadline:
            raise RuntimeError(f"only {engine.running('bench-hold')} of {count} instances started in {START_S:.0f} s")
        time.sleep(1.0)
    time.sleep(3.0)
