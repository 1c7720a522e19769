"""Many waiting clients in one process: measures how soon each gets its answer after its process was ended.

    python -m bench.wakeups --url http://127.0.0.1:8000 --redis redis://127.0.0.1:6379/0 --count 1000

It starts `bench-hold` processes, prints `waiting` when all are accepted, and ends them when it reads a line. A wake-up
lasts from the moment when Redis has published the result to the moment when the client has read its answer.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import sys
import threading
import time
import uuid

import redis

from bench.json_client import JsonClient

#: the mark of a process in its result
MARK = re.compile(r"wake-[0-9a-f]{32}")
#: threads that end processes
ENDING_THREADS = 4
#: seconds between two starts; starts are not measured
START_PAUSE_S = 0.01


class Wakeups:
    """The clients and their measured times by mark, in seconds of one clock."""

    def __init__(self, url: str, redis_url: str, count: int) -> None:
        self._url = url
        self._redis = redis.Redis.from_url(redis_url)
        self.marks = [f"wake-{uuid.uuid4().hex}" for _ in range(count)]
        self.asked: dict[str, float] = {}
        self.published: dict[str, float] = {}
        self.answered: dict[str, float] = {}
        self.errors: list[str] = []

    def listen(self) -> None:
        """Record the time of each published result."""
        pubsub = self._redis.pubsub(ignore_subscribe_messages=True)
        pubsub.psubscribe("celery-task-meta-*")
        for message in pubsub.listen():
            at = time.perf_counter()
            if found := MARK.search(str(message["data"])):
                self.published[found.group()] = at

    def wait(self, mark: str) -> None:
        """Start a process and wait for its end, as one client."""
        client = JsonClient(f"{self._url}/api/process", timeout_s=600)
        body = {"processKey": "bench-hold", "correlationId": mark}
        try:
            status, content = client.exchange("POST", "/start", body)
        except OSError as error:
            self.errors.append(str(error))
            return
        self.answered[mark] = time.perf_counter()
        if status != 200:
            self.errors.append(f"{status}: {content[:200]!r}")

    def accepted(self) -> bool:
        """True when all starts are accepted."""
        client = JsonClient(f"{self._url}/api/process")
        return all(client.exchange("GET", f"/status/{mark}")[0] == 202 for mark in self.marks)

    def end_all(self, rate: float) -> None:
        """End the processes, `rate` a second."""
        numbers = itertools.count()
        begin = time.perf_counter()

        def end() -> None:
            client = JsonClient(f"{self._url}/api/process")
            while (number := next(numbers)) < len(self.marks):
                time.sleep(max(0.0, begin + number / rate - time.perf_counter()))
                mark = self.marks[number]
                self.asked[mark] = time.perf_counter()
                status, content = client.exchange(
                    "POST", "/complete", {"correlationId": mark, "status": "ok", "data": {"mark": mark}}
                )
                if status != 200:
                    self.errors.append(f"complete: {status}: {content[:200]!r}")

        threads = [threading.Thread(target=end) for _ in range(ENDING_THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def main() -> None:
    """Read the options, start the clients, wait for the line, end the processes, print the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--redis", required=True)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=50.0, help="processes that are ended a second")
    options = parser.parse_args()
    wakeups = Wakeups(options.url, options.redis, options.count)
    threading.Thread(target=wakeups.listen, daemon=True).start()
    clients = [threading.Thread(target=wakeups.wait, args=(mark,), daemon=True) for mark in wakeups.marks]
    for client in clients:
        client.start()
        time.sleep(START_PAUSE_S)
    while not wakeups.errors and not wakeups.accepted():
        time.sleep(1.0)
    print("waiting", flush=True)
    sys.stdin.readline()
    wakeups.end_all(options.rate)
    for client in clients:
        client.join(10)
    result = {
        "wakeups_ms": _differences(wakeups.published, wakeups.answered),
        "completions_ms": _differences(wakeups.asked, wakeups.answered),
        "errors": wakeups.errors,
    }
    print(json.dumps(result), flush=True)


def _differences(begun: dict[str, float], ended: dict[str, float]) -> list[float]:
    return sorted((ended[mark] - begun[mark]) * 1000 for mark in begun if mark in ended)


if __name__ == "__main__":
    main()
