"""The load generator: it runs processes in a closed or an open loop and reports how long each took.

    python -m bench.load --runner http --url http://127.0.0.1:8000/api/process/start --clients 16 --seconds 10

It prints `ready`, begins when it reads a line, and ends with one line of JSON: latencies, times of the ends, its CPU
time.
"""

from __future__ import annotations

import argparse
import itertools
import json
import queue
import resource
import sys
import threading
import time
import uuid

from bench.runners import RUNNERS, RunOne


class Log:
    """The result of a load: times in seconds since the begin, latencies in milliseconds."""

    def __init__(self) -> None:
        self.begin = time.perf_counter()
        self.ends: list[tuple[float, float]] = []
        self.errors: list[str] = []

    def run(self, run_one: RunOne, since: float | None = None) -> None:
        """Run one process; its latency counts from `since`, by default from now."""
        begun = time.perf_counter() if since is None else since
        try:
            run_one(f"b-{uuid.uuid4().hex}")
        except Exception as error:
            self.errors.append(f"{type(error).__name__}: {error}")
            # A contestant that refuses at once must not get a thousand requests a second.
            time.sleep(0.1)
        else:
            ended = time.perf_counter()
            self.ends.append((ended - self.begin, (ended - begun) * 1000))


def closed_loop(options: argparse.Namespace) -> Log:
    """Run a closed loop: each client starts its next process when its last has ended."""
    tickets = itertools.count()
    log = Log()
    until = log.begin + options.seconds

    def client() -> None:
        run_one = RUNNERS[options.runner](options.url, options.process)
        while time.perf_counter() < until and (not options.count or next(tickets) < options.count):
            log.run(run_one)

    _in_threads(client, options.clients)
    return log


def open_loop(options: argparse.Namespace) -> Log:
    """Run an open loop: processes start at a steady rate, whether others have ended or not. A late start is latency."""
    due: queue.SimpleQueue[float | None] = queue.SimpleQueue()
    log = Log()

    def client() -> None:
        run_one = RUNNERS[options.runner](options.url, options.process)
        while (since := due.get()) is not None:
            log.run(run_one, since)

    def clock() -> None:
        for number in range(options.count):
            at = log.begin + number / options.rate
            time.sleep(max(0.0, at - time.perf_counter()))
            due.put(at)
        for _ in range(options.clients):
            due.put(None)

    threading.Thread(target=clock, daemon=True).start()
    _in_threads(client, options.clients)
    return log


def _in_threads(client: object, count: int) -> None:
    threads = [threading.Thread(target=client, daemon=True) for _ in range(count)]  # type: ignore[arg-type]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    """Read the options, wait for the line, run, print the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runner", choices=sorted(RUNNERS), required=True)
    parser.add_argument("--url", required=True, help="start call of the contestant, or root of the engine")
    parser.add_argument("--process", default="bench-five", help="key of the process")
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1e9, help="closed loop: no start after this time")
    parser.add_argument("--count", type=int, default=0, help="processes; 0 for as many as the time allows")
    parser.add_argument("--rate", type=float, default=0.0, help="open loop: starts a second; needs --count")
    options = parser.parse_args()
    print("ready", flush=True)
    sys.stdin.readline()
    log = (open_loop if options.rate else closed_loop)(options)
    used = resource.getrusage(resource.RUSAGE_SELF)
    result = {
        "ends": log.ends,
        "errors": log.errors,
        "seconds": time.perf_counter() - log.begin,
        "cpu_ms": (used.ru_utime + used.ru_stime) * 1000,
    }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
