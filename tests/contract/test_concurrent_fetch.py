"""Facts about several workers that fetch at once, and about long polling."""

from __future__ import annotations

import http.client
import json
import threading
import time
from urllib.parse import urlsplit

from tests.contract.bpmn import external, process
from tests.contract.engine import PATIENCE_S, Engine, eventually

TASKS = 60


def test_concurrent_fetches_never_get_the_same_task(engine: Engine) -> None:
    engine.deploy(process(engine.key, external("a")))
    for n in range(TASKS):
        engine.start(f"k{n}")
    got: list[str] = []
    strange: list[tuple[int, str]] = []

    def work(worker: str) -> None:
        own = Engine(engine.base_url)
        topics = [{"topicName": f"{engine.key}.a", "lockDuration": 60_000}]
        deadline = time.monotonic() + PATIENCE_S
        while len(got) < TASKS and time.monotonic() < deadline:
            fetch = {"workerId": worker, "maxTasks": 4, "topics": topics}
            answer = own.call("POST", "/external-task/fetchAndLock", json=fetch)
            if answer.status_code == 200:
                got.extend(task["id"] for task in answer.json())
            else:
                strange.append((answer.status_code, answer.json()["type"]))

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == len(set(got)) == TASKS
    # A worker that loses a race gets an empty answer, sometimes a 500 that the next try does not get.
    assert {status for status, _ in strange} <= {500}, strange


def test_a_long_poll_outlives_its_client_and_locks_a_task_for_nobody(engine: Engine) -> None:
    engine.deploy(process(engine.key, external("a")))
    url = urlsplit(engine.base_url)
    topics = [{"topicName": f"{engine.key}.a", "lockDuration": 60_000}]
    fetch = {"workerId": "dead", "maxTasks": 1, "topics": topics, "asyncResponseTimeout": 20_000}
    client = http.client.HTTPConnection(url.netloc, timeout=5)
    client.request(
        "POST", f"{url.path}/external-task/fetchAndLock", json.dumps(fetch), {"Content-Type": "application/json"}
    )
    client.close()
    instance = engine.start()

    def owner() -> str | None:
        return str(engine.get("/external-task", processInstanceId=instance)[0]["workerId"] or "") or None

    assert eventually(owner, "the dead client's request locks the task") == "dead"
