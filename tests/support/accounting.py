"""Checks after any fault: every accepted process has ended once, and nothing is left over."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import redis
import requests

from dev.stack import Stack
from tasks.broker.start_priority import STARTS_LISTS
from tests.support.api import Api, eventually


def settle_all(api: Api, correlation_ids: Iterable[str], timeout_s: float = 90.0) -> dict[str, dict[str, Any]]:
    """Wait until all these processes have ended. Returns their statuses by correlation id.

    Raises:
        AssertionError: one of them did not end within `timeout_s` seconds.
    """
    return {item: api.wait_until_ended(item, timeout_s).body for item in correlation_ids}


def check_consistency(stack: Stack, api: Api, correlation_ids: Iterable[str], process_key: str) -> None:
    """Check that rows, instances, events and queues agree.

    Raises:
        AssertionError: something is left over or missing; the message names it.
    """
    ids = list(correlation_ids)
    rows = settle_all(api, ids)
    instances = _instances(stack, process_key)
    for correlation_id, row in rows.items():
        found = [item for item in instances if item["businessKey"] == correlation_id]
        assert [item["id"] for item in found] == [row["processInstanceId"]], f"{correlation_id}: {found}"
        if row["status"] == "ok":
            _check_events(api, row)
    eventually(lambda: _left_in_queues(stack) == {}, what=f"empty queues, not {_left_in_queues(stack)}")


def memory_mb(pid: int) -> float:
    """Resident memory of a process, in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def attempts(notes: Path, what: str = "begin") -> Counter[str]:
    """How many attempts of `probe.work` have begun (or ended), by correlation id, from the handlers' notes."""
    lines = notes.read_text().splitlines() if notes.exists() else []
    return Counter(line.split()[1] for line in lines if line.split()[0] == what)


def _check_events(api: Api, row: dict[str, Any]) -> None:
    def closed() -> bool:
        return not any(event["phase"] in ("started", "completing") for event in api.events(row["traceabilityId"]))

    eventually(closed, what=f"no open attempt of {row['correlationId']}: {api.events(row['traceabilityId'])}")
    events = api.events(row["traceabilityId"])
    successes = Counter(event["externalTaskId"] for event in events if event["phase"] == "completed")
    tasks = {event["externalTaskId"] for event in events if event["externalTaskId"]}
    assert set(successes) == tasks, f"a step without success: {events}"
    assert set(successes.values()) == {1}, f"a step that succeeded more than once: {events}"


def _instances(stack: Stack, process_key: str) -> list[dict[str, Any]]:
    engine = stack.environment.get("CAMUNDA_BASE_URL")
    found: list[dict[str, Any]] = requests.get(
        f"{engine}/history/process-instance", params={"processDefinitionKey": process_key}, timeout=20
    ).json()
    return found


def _left_in_queues(stack: Stack) -> dict[str, int]:
    client = redis.Redis.from_url(stack.environment.get("REDIS_URL"), decode_responses=True)
    try:
        queues = [*STARTS_LISTS, "settling", *client.keys("steps.*")]
        lengths = {queue: client.llen(queue) for queue in queues if client.type(queue) in ("list", "none")}
        return {queue: length for queue, length in lengths.items() if length}
    finally:
        client.close()
