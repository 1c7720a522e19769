"""Many requests that wait in one web process: measures Redis connections, memory, wake-up times, errors.

    python -m bench.waiters                  # 1,000 and 2,000
    python -m bench.waiters --count 1000

Web server, broker and database are real; the web server has the packages of a deployment. No worker and no engine run,
because only the waiting is measured: each process is started, its client waits, and then `POST /complete` ends the
process and wakes the client. See `bench.wakeups`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench.connections import connections_to
from bench.cpu import members, rss_mb
from bench.tools import deployed_programs
from dev.environment import ROOT
from dev.stack import Stack

#: most Redis connections
MOST_CONNECTIONS = 3
#: memory with 2,000 requests must be less, in MiB
MOST_MB = 250.0
#: the 99th percentile of wake-ups with 1,000 requests must be less, in milliseconds
MOST_WAKEUP_MS = 25.0
#: seconds that starting, or ending, all of them may take
PATIENCE_S = 300.0


@dataclass(frozen=True, slots=True)
class Measured:
    """The result of one run.

    Memory is in MiB. Wake-ups are in milliseconds, from the publication in Redis to the answer at the client.
    """

    count: int
    answered: int
    connections: int
    rss_mb: float
    pss_mb: float
    idle_rss_mb: float
    p50_ms: float
    p99_ms: float
    errors: list[str]

    def misses(self) -> list[str]:
        """The limits that this run does not keep."""
        found = [f"{len(self.errors)} errors, the first: {self.errors[0]}"] if self.errors else []
        if self.answered != self.count:
            found.append(f"{self.answered} of {self.count} were answered")
        if self.connections > MOST_CONNECTIONS:
            found.append(f"{self.connections} Redis connections, at most {MOST_CONNECTIONS} are allowed")
        if self.rss_mb >= MOST_MB:
            found.append(f"{self.rss_mb:.0f} MiB, less than {MOST_MB:.0f} are allowed")
        if self.count <= 1000 and self.p99_ms >= MOST_WAKEUP_MS:
            found.append(f"p99 {self.p99_ms:.1f} ms, less than {MOST_WAKEUP_MS:.0f} are allowed")
        return found


def main() -> int:
    """Measure each count; exit code 0 if all limits are kept."""
    parser = argparse.ArgumentParser(prog="python -m bench.waiters", description=__doc__)
    parser.add_argument("--count", type=int, action="append", help="requests that wait; may be given several times")
    parser.add_argument("--rate", type=float, default=50.0, help="processes that are ended a second")
    options = parser.parse_args()
    print(f"{'waiting':>8} {'answered':>9} {'Redis conn.':>12} {'RSS MiB':>9} {'PSS MiB':>9} {'idle RSS':>9}", end="")
    print(f" {'wake-up p50':>12} {'p99 ms':>8} {'errors':>7}")
    missed = []
    for count in options.count or [1000, 2000]:
        with tempfile.TemporaryDirectory(prefix="waiters-") as folder:
            run = measure(Path(folder), count, options.rate)
        print(
            f"{run.count:>8} {run.answered:>9} {run.connections:>12} {run.rss_mb:>9.1f} {run.pss_mb:>9.1f} "
            f"{run.idle_rss_mb:>9.1f} {run.p50_ms:>12.2f} {run.p99_ms:>8.2f} {len(run.errors):>7}",
            flush=True,
        )
        missed += [f"{count}: {miss}" for miss in run.misses()]
    for miss in missed:
        print(f"missed: {miss}")
    return 1 if missed else 0


def measure(folder: Path, count: int, rate: float) -> Measured:
    """Measure a fresh web server with `count` waiting requests.

    Args:
        folder: the folder of its database and logs.
        count: the number of requests.
        rate: processes that are ended a second.
    """
    settings = {
        "CAMUNDA_BASE_URL": "http://127.0.0.1:9/engine-rest",
        "PROCESSES": "bench.processes",
        "MAX_WAITING_REQUESTS": max(2000, count),
        # All requests must wait before the first is answered.
        "SYNC_TIMEOUT_MS": 600_000,
        # On a busy machine one SQLite file may be slow with the burst of starts, which is not measured.
        "DB_TIMEOUT_MS": 30_000,
    }
    stack = Stack(folder, settings=settings, parts=("broker",))
    try:
        stack.start_parts(["broker"])
        stack.run("migrate", [sys.executable, "-m", "store.migrate"])
        # Without the packages of the tests, because some libraries import others wherever they are installed.
        path = os.pathsep.join([str(deployed_programs()), stack.environment.variables["PATH"]])
        stack.add("web", settings={"PATH": path})
        stack.start_parts(["web"], wait=False)
        stack.wait_ready(["web"])
        return _measure(stack, count, rate)
    finally:
        stack.stop()


def _measure(stack: Stack, count: int, rate: float) -> Measured:
    web = stack["web"].pid
    redis_url = stack.environment.get("REDIS_URL")
    idle = rss_mb([web])
    command = [sys.executable, "-m", "bench.wakeups", "--url", stack.url, "--redis", redis_url]
    with subprocess.Popen(
        [*command, "--count", str(count), "--rate", str(rate)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as clients:
        try:
            if clients.stdout is None or clients.stdout.readline() != "waiting\n":
                raise RuntimeError("the waiting clients did not start")
            connections = connections_to(urlsplit(redis_url).port or 0, web)
            memory, proportional = rss_mb([web]), _pss_mb(web)
            result, _ = clients.communicate("go\n", timeout=PATIENCE_S)
        finally:
            clients.kill()
    document = json.loads(result)
    wakeups = document["wakeups_ms"] or [float("nan")]
    return Measured(
        count=count,
        answered=len(document["completions_ms"]),
        connections=connections,
        rss_mb=memory,
        pss_mb=proportional,
        idle_rss_mb=idle,
        p50_ms=wakeups[len(wakeups) // 2],
        p99_ms=wakeups[min(len(wakeups) - 1, len(wakeups) * 99 // 100)],
        errors=document["errors"],
    )


def _pss_mb(pid: int) -> float:
    """Memory of a process and its descendants in MiB; each shared page is divided among the processes that share it."""
    total = 0
    for member in members(pid):
        for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


if __name__ == "__main__":
    sys.exit(main())
