"""Ways in which a client runs one process to its end: through a contestant's start call, or directly in the engine."""

from __future__ import annotations

import json
from collections.abc import Callable

from bench.json_client import JsonClient

#: runs one process with this business key and returns when it has ended; raises an exception if it did not end well
RunOne = Callable[[str], None]

#: lock of a task, in milliseconds
LOCK_MS = 60_000


class NotOk(Exception):
    """A process did not end well."""


def http_face(url: str, process_key: str) -> RunOne:
    """A client of the facade, or of another contestant, which takes the same request.

    Args:
        url: address of the start call.
        process_key: key of the process.
    """
    client = JsonClient(url)

    def run_one(business_key: str) -> None:
        body = {"processKey": process_key, "correlationId": business_key, "variables": {"item": "bench"}}
        status, content = client.exchange("POST", "", body)
        if status != 200 or json.loads(content).get("result", {}).get("done") is not True:
            raise NotOk(f"{status}: {content[:300].decode('utf-8', 'replace')}")

    return run_one


def bare(engine_url: str, process_key: str) -> RunOne:
    """The bare loop: start, then fetch by business key and complete, step by step. It stores nothing.

    Args:
        engine_url: root of the engine's REST API.
        process_key: key of a process whose topics are `<key>.s1` to `<key>.s5`.
    """
    client = JsonClient(engine_url)
    topics = [
        {"topicName": f"{process_key}.s{number}", "lockDuration": LOCK_MS, "variables": []} for number in range(1, 6)
    ]
    start = {"variables": {"item": {"value": "bench", "type": "String"}}}

    def run_one(business_key: str) -> None:
        client.post(f"/process-definition/key/{process_key}/start", {**start, "businessKey": business_key})
        fetch = {
            "workerId": business_key,
            "maxTasks": 1,
            "usePriority": False,
            "topics": [{**topic, "businessKey": business_key} for topic in topics],
        }
        for _ in topics:
            tasks = client.post("/external-task/fetchAndLock", fetch)
            if len(tasks) != 1:
                raise NotOk(f"{len(tasks)} tasks were fetched for {business_key}")
            done = {"workerId": business_key}
            if tasks[0]["activityId"] == "s5":
                done["variables"] = {"done": {"value": True, "type": "Boolean"}}
            client.post(f"/external-task/{tasks[0]['id']}/complete", done)

    return run_one


def only_start(engine_url: str, process_key: str) -> RunOne:
    """A client that starts an instance and does not run it."""
    client = JsonClient(engine_url)

    def run_one(business_key: str) -> None:
        client.post(f"/process-definition/key/{process_key}/start", {"businessKey": business_key})

    return run_one


RUNNERS: dict[str, Callable[[str, str], RunOne]] = {"http": http_face, "bare": bare, "only-start": only_start}
