"""Maintenance on the running system: no process and no step begins, running steps end, everything goes on after it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from dev.stack import Stack
from tests.support.api import Answer, Api, eventually

PATH = "/api/process/maintenance"
#: seconds in which several polls and reconciles run
A_WHILE_S = 2.5


@pytest.fixture(autouse=True)
def _as_before(api: Api) -> Iterator[None]:
    yield
    assert api.call("DELETE", PATH).status == 200


def begin(api: Api, **given: Any) -> Answer:
    answer = api.call("PUT", PATH, {"reason": "the warehouse moves", **given})
    assert answer.status == 200, answer.body
    return answer


def stays(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + A_WHILE_S
    while time.monotonic() < deadline:
        assert is_so()
        time.sleep(0.1)


def test_running_step_ends_and_its_process_waits_for_the_end(api: Api, tmp_path: Path) -> None:
    notes, until = tmp_path / "notes", tmp_path / "until"
    given = {"do": "hold", "notes": str(notes), "until": str(until)}
    name = api.start("patient", given, prefer="respond-async").body["correlationId"]
    eventually(notes.exists)

    begin(api)
    until.touch()
    eventually(lambda: "end" in notes.read_text())

    stays(lambda: api.get(f"/api/process/status/{name}").body["status"] == "pending")
    assert api.get(f"/api/process/status/{name}").body["maintenance"]["reason"] == "the warehouse moves"
    api.call("DELETE", PATH)
    assert api.wait_until_ended(name).body["status"] == "ok"
    assert len(notes.read_text().splitlines()) == 2


def test_new_starts_are_refused_and_the_same_starts_run_after_it(api: Api) -> None:
    begin(api)

    refused = [api.start("five-steps", {"n": 1}, f"maintained-{index}") for index in range(5)]

    assert {(answer.status, answer.body["type"]) for answer in refused} == {(503, "/problems/maintenance")}
    api.call("DELETE", PATH)
    again = [api.start("five-steps", {"n": 1}, f"maintained-{index}") for index in range(5)]
    assert [answer.status for answer in again] == [200] * 5


def test_held_starts_begin_only_after_it_also_if_redis_was_emptied(api: Api, stack: Stack) -> None:
    begin(api, starts="hold")

    held = [api.start("five-steps", {"n": 1}) for _ in range(5)]
    assert {answer.status for answer in held} == {202}
    names = [answer.body["correlationId"] for answer in held]

    def waits() -> bool:
        rows = [api.get(f"/api/process/status/{name}").body for name in names]
        return all((row["status"], row["processInstanceId"]) == ("pending", None) for row in rows)

    stays(waits)
    redis.Redis.from_url(stack.environment.get("REDIS_URL")).flushall()
    stays(waits)

    api.call("DELETE", PATH)
    assert [api.wait_until_ended(name).body["status"] for name in names] == ["ok"] * 5
