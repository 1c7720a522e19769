"""Workload D, reads: status, event log and lists at a growing number of rows."""

from __future__ import annotations

import random
import sys
import time

from bench.contestants.ours import Ours
from bench.json_client import JsonClient
from bench.report import print_progress
from bench.session import Bench
from dev.roles import WORKERS

#: calls that are measured for each kind of read, and calls that are made before them
CALLS, WARM_CALLS = 300, 50
#: seconds that seeding may take
SEED_S = 1800.0


class WebOnly(Ours):
    """The facade and its database."""

    without = (*WORKERS, "beat", "flower")


def run(bench: Bench) -> None:
    """Add rows to the database, and measure the reads at each size."""
    # Reads make no request to the engine, so none runs.
    ours = WebOnly("http://127.0.0.1:9/engine-rest", bench.folder / "reads")
    ours.start_web()
    try:
        for rows in bench.plan.read_rows:
            print_progress(f"D: {rows} rows")
            ours.stack.run("seed", [sys.executable, "-m", "bench.seeding", str(rows)], SEED_S)
            bench.samples.put("D", f"reads, {rows:,} rows", "ours", 1, _read(ours.stack.url, rows))
    finally:
        ours.stop()


def _read(url: str, rows: int) -> dict[str, float]:
    client = JsonClient(f"{url}/api/process", timeout_s=60)
    chance = random.Random(rows)
    paths = {
        "status": lambda: f"/status/seed-{chance.randrange(rows)}",
        "event log": lambda: f"/event-log/seed-{chance.randrange(rows)}",
        "list": lambda: "/status/all?limit=50",
        "list of errors": lambda: "/status/all?limit=50&status=error",
    }
    numbers: dict[str, float] = {}
    for name, path in paths.items():
        taken = []
        for _ in range(WARM_CALLS + CALLS):
            begun = time.perf_counter()
            client.get(path())
            taken.append((time.perf_counter() - begun) * 1000)
        taken = sorted(taken[WARM_CALLS:])
        numbers[f"{name} p50 ms"] = taken[len(taken) // 2]
        numbers[f"{name} p99 ms"] = taken[len(taken) * 99 // 100]
    return numbers
