"""Starts that wait for a slot begin by priority, and after the steps of what is under way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from dev.stack import Stack
from tasks.broker.start_priority import STARTS_LISTS
from tasks.broker.worker_capacity import WORKERS_KEY
from tests.support.api import Api, eventually

pytestmark = pytest.mark.timeout(240)

#: priorities in the order in which the starts are sent, and the order in which they must begin
SENT = {"bulk-1": -5, "plain-1": 0, "urgent-1": 5, "plain-2": 0, "soon": 1, "urgent-2": 5, "bulk-2": -5}
BEGIN = ["urgent-1", "urgent-2", "soon", "plain-1", "plain-2", "bulk-1", "bulk-2"]


def begun(notes: Path) -> list[str]:
    """The correlation ids of the steps that have begun, in order."""
    return [line.split()[1] for line in notes.read_text().splitlines() if line.startswith("begin ")]


@pytest.fixture
def client(stack: Stack) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(stack.environment.get("REDIS_URL"), decode_responses=True)
    with client:
        yield client


@pytest.fixture
def hold_every_slot(
    stack: Stack, api: Api, client: redis.Redis, tmp_path: Path
) -> Iterator[Callable[[], Callable[[], None]]]:
    """Let a step hold each slot of the only worker that reads starts; gives a function that frees one of them."""
    files: list[Path] = []
    stack["control"].terminate(30)

    def hold() -> Callable[[], None]:
        slots = sum(json.loads(beat)["slots"] for beat in client.hvals(WORKERS_KEY))  # type: ignore[union-attr]
        notes = tmp_path / "held"
        notes.touch()
        for number in range(slots):
            files.append(tmp_path / f"go-on-{number}")
            given = {"do": "hold", "until": str(files[-1]), "seconds": 80, "notes": str(notes)}
            api.start("patient", given, f"{tmp_path.name}-held-{number}", Prefer="respond-async")
        eventually(lambda: len(begun(notes)) == slots, 60, f"{slots} held slots")
        return files[0].touch

    yield hold
    for file in files:
        file.touch()
    stack.start_parts(["control"])


def test_waiting_starts_begin_by_priority_and_behind_the_steps_under_way(
    api: Api, client: redis.Redis, hold_every_slot: Callable[[], Callable[[], None]], tmp_path: Path
) -> None:
    free_one = hold_every_slot()
    notes = tmp_path / "begun"
    for name, priority in SENT.items():
        body = {
            "processKey": "patient",
            "correlationId": f"{tmp_path.name}-{name}",
            "variables": {"notes": str(notes)},
            "priority": priority,
        }
        answer = api.call("POST", "/api/process/start", body, {"Prefer": "respond-async"})
        assert answer.status == 202, answer.body
    assert sum(client.llen(name) for name in STARTS_LISTS) == len(SENT)  # type: ignore[misc]

    free_one()
    ended = {name: api.wait_until_ended(f"{tmp_path.name}-{name}").body for name in SENT}

    assert {name: (body["status"], body["priority"]) for name, body in ended.items()} == {
        name: ("ok", priority) for name, priority in SENT.items()
    }
    assert [name.removeprefix(f"{tmp_path.name}-") for name in begun(notes)] == BEGIN
    # What is under way comes first: the last step of the process that held the slot, also before an urgent start.
    held = api.wait_until_ended(f"{tmp_path.name}-held-0").body
    assert begin_of(api, held, "respond") <= begin_of(api, ended["urgent-1"], "work")


def begin_of(api: Api, process: dict[str, Any], step: str) -> str:
    (event,) = [event for event in api.events(process["traceabilityId"]) if event["stepName"] == step]
    return str(event["createdAt"])
