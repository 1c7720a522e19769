"""Pauses and limits of topics: tasks wait in the engine, a limit holds on all workers together, other topics go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis

from dev.stack import Stack
from tests.support.api import Answer, Api, eventually

TOPIC = "patient.work"
#: seconds in which several polls and reconciles run
A_WHILE_S = 2.5
#: seconds after which every worker has read a change of a topic
KNOWN_S = 1.0


@pytest.fixture(autouse=True)
def _as_before(api: Api) -> Iterator[None]:
    yield
    act(api, "resume")
    act(api, "limits", {"maxConcurrency": None, "rate": None})


def act(api: Api, what: str, body: Any = None) -> Answer:
    answer = api.call("POST", f"/api/process/topics/{TOPIC}/{what}", {} if body is None and what == "pause" else body)
    assert answer.status == 200, answer.body
    return answer


def limit(api: Api, limits: dict[str, Any]) -> None:
    """Limit the topic, and wait until every worker has read the limit."""
    act(api, "limits", limits)
    stays(lambda: limited(api)["topic"] == TOPIC, KNOWN_S)


def start(api: Api, **variables: Any) -> Answer:
    answer = api.start("patient", variables, prefer="respond-async")
    assert answer.status == 202, answer.body
    return answer


def stays(is_so: Callable[[], bool], seconds: float = A_WHILE_S) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert is_so()
        time.sleep(0.1)


def wait_for_lines(notes: Path, number: int) -> list[str]:
    def lines() -> list[str] | None:
        found = notes.read_text().splitlines() if notes.exists() else []
        return found if len(found) >= number else None

    found: list[str] = eventually(lines)
    return found


def test_paused_topic_waits_until_it_is_resumed_and_others_go_on(api: Api, stack: Stack, tmp_path: Path) -> None:
    paused = act(api, "pause", {"reason": "the partner is down"}).body
    assert (paused["paused"], paused["reason"], paused["changedBy"]) == (True, "the partner is down", "api")
    assert act(api, "pause", {"reason": "another"}).body == paused
    eventually(lambda: api.get("/health/ready").body["pausedTopics"] == {TOPIC: paused["pausedAt"]}, 5)

    notes = tmp_path / "notes"
    ids = [start(api, notes=str(notes)).body["correlationId"] for _ in range(3)]
    assert api.start("five-steps", {"n": 1}).status == 200
    stays(lambda: not notes.exists())
    # Redis has only a copy of the pause.
    redis.Redis.from_url(stack.environment.get("REDIS_URL")).flushall()
    stays(lambda: not notes.exists())

    act(api, "resume")

    assert [api.wait_until_ended(name).body["status"] for name in ids] == ["ok"] * 3
    said = [(event["stepName"], event["actor"], event["metadata"]) for event in api.events(f"topic:{TOPIC}")]
    assert said[:2] == [
        ("pause", "api", {"topic": TOPIC, "reason": "the partner is down"}),
        ("resume", "api", {"topic": TOPIC}),
    ]


def test_step_that_runs_when_its_topic_is_paused_ends(api: Api, tmp_path: Path) -> None:
    notes, until = tmp_path / "notes", tmp_path / "until"
    name = start(api, do="hold", notes=str(notes), until=str(until)).body["correlationId"]
    wait_for_lines(notes, 1)
    act(api, "pause")
    until.touch()
    assert api.wait_until_ended(name).body["status"] == "ok"


def test_no_more_steps_run_at_once_than_the_limit_and_no_other_step_waits(api: Api, tmp_path: Path) -> None:
    limit(api, {"maxConcurrency": 2})
    notes, until = tmp_path / "notes", tmp_path / "until"
    given = {"do": "hold", "notes": str(notes), "until": str(until)}
    ids = [start(api, **given).body["correlationId"] for _ in range(12)]
    wait_for_lines(notes, 2)
    # Two of them run, and steps of other topics do not wait behind them.
    assert api.start("five-steps", {"n": 1}).status == 200
    stays(lambda: len(notes.read_text().splitlines()) == 2, 1.5)
    assert limited(api)["inFlight"] == 2

    until.touch()
    assert [api.wait_until_ended(name).body["status"] for name in ids] == ["ok"] * 12

    running = most = 0
    for line in wait_for_lines(notes, 24):
        running += 1 if line.startswith("begin") else -1
        most = max(most, running)
    assert most == 2
    assert limited(api)["inFlight"] == 0


def limited(api: Api) -> dict[str, Any]:
    topics = api.get("/api/process/topics").body["topics"]
    found: dict[str, Any] = next(topic for topic in topics if topic["topic"] == TOPIC)
    return found


def test_no_more_steps_begin_in_a_time_than_the_rate(api: Api) -> None:
    limit(api, {"rate": "4/second"})
    asked = datetime.now(UTC)
    started = [start(api).body for _ in range(12)]
    assert [api.wait_until_ended(body["correlationId"]).body["status"] for body in started] == ["ok"] * 12

    events = [event for body in started for event in api.events(body["traceabilityId"])]
    begun = sorted(datetime.fromisoformat(event["createdAt"]) for event in events if event["stepName"] == "work")
    assert len(begun) == 12
    # Four may begin at once, the other eight every 250 ms; each begins a little after it got its lease.
    assert (begun[-1] - asked).total_seconds() >= 2.0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "maxConcurrency"),
        ({"maxConcurrency": -1}, "maxConcurrency"),
        ({"maxConcurrency": 1.5}, "maxConcurrency"),
        ({"rate": "5 a second"}, "rate"),
        ({"rate": "0/second"}, "rate"),
    ],
)
def test_wrong_limit_is_named(api: Api, body: Any, field: str) -> None:
    answer = api.call("POST", f"/api/process/topics/{TOPIC}/limits", body)
    assert (answer.status, list(answer.body["errors"])) == (422, [field])
