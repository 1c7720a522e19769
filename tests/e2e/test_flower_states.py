"""How an attempt of a step ended is its state in Flower, in both pools, and costs nothing more."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import pytest
import redis

from dev.stack import Stack
from tests.support.api import Api, eventually
from tests.support.monitored import FLOWER_AUTH

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module", params=["threads", "prefork"])
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, engine_url: str) -> Iterator[Stack]:
    settings = {
        "CAMUNDA_BASE_URL": engine_url,
        "PROCESSES": "tests.metered",
        "WORKER_POOL": request.param,
        "WORKER_CONCURRENCY": 2,
        "SYNC_TIMEOUT_MS": 25_000,
        "FLOWER_BASIC_AUTH": FLOWER_AUTH,
    }
    parts = ("broker", "web", "worker", "beat", "flower")
    with Stack(tmp_path_factory.mktemp(f"states-{request.param}"), settings=settings, parts=parts) as running:
        yield running


@pytest.fixture(scope="module")
def shown(stack: Stack) -> dict[str, list[dict[str, Any]]]:
    """What a process was told -> its tasks in Flower, after all of them have ended."""
    api = Api(stack.url)
    ended = {}
    for do in ("work", "refuse", "refuse-uncaught", "fail-once"):
        ended[do] = api.start("metered", {"do": do}, f"states-{do}").status
    assert ended == {"work": 200, "refuse": 422, "refuse-uncaught": 500, "fail-once": 200}

    def look() -> dict[str, list[dict[str, Any]]] | None:
        found: dict[str, list[dict[str, Any]]] = {do: [] for do in ended}
        for task in sorted(flower(stack, "/api/tasks").values(), key=lambda task: task["received"] or 0):
            do = task["args"].strip("()").removeprefix("states-")
            if task["name"].startswith("metered."):
                found[do].append(task)
        numbers = {do: len(tasks) for do, tasks in found.items()}
        states = {task["state"] for tasks in found.values() for task in tasks}
        wanted = {"work": 2, "refuse": 2, "refuse-uncaught": 1, "fail-once": 3}
        return found if numbers == wanted and states <= {"SUCCESS", "FAILURE"} else None

    found: dict[str, list[dict[str, Any]]] = eventually(look, 30, "every attempt in Flower")
    return found


def flower(stack: Stack, path: str) -> Any:
    headers = {"Authorization": "Basic " + base64.b64encode(FLOWER_AUTH.encode()).decode()}
    with urlopen(Request(stack.environment.flower_url + path, headers=headers), timeout=20) as answer:
        return json.loads(answer.read())


def test_failed_attempt_is_a_failure_with_its_exception_and_its_place(shown: dict[str, list[dict[str, Any]]]) -> None:
    failed, *later = shown["fail-once"]
    assert (failed["name"], failed["state"]) == ("metered.work", "FAILURE")
    assert "RuntimeError: told to fail once" in failed["exception"]
    assert "tests/metered/metered/steps.py:" in failed["exception"]
    assert [(task["name"], task["state"]) for task in later] == [
        ("metered.work", "SUCCESS"),
        ("metered.respond", "SUCCESS"),
    ]


def test_attempt_with_a_business_error_is_no_failure_and_says_so(shown: dict[str, list[dict[str, Any]]]) -> None:
    refused, rescue = shown["refuse"]
    assert (refused["state"], refused["result"]) == ("SUCCESS", "'bpmn-error CAUGHT: told to refuse'")
    assert (rescue["name"], rescue["state"], rescue["result"]) == ("metered.rescue", "SUCCESS", "'completed'")


def test_business_error_that_nothing_catches_is_a_failure(shown: dict[str, list[dict[str, Any]]]) -> None:
    (failed,) = shown["refuse-uncaught"]
    assert failed["state"] == "FAILURE"
    assert "NOBODY_CATCHES_THIS" in failed["exception"]


def test_completed_attempt_is_a_success(shown: dict[str, list[dict[str, Any]]]) -> None:
    assert [(task["state"], task["result"]) for task in shown["work"]] == [("SUCCESS", "'completed'")] * 2


@pytest.mark.usefixtures("shown")
def test_failure_leaves_no_result_in_redis_and_no_line_of_celery(stack: Stack) -> None:
    with redis.Redis.from_url(stack.environment.get("REDIS_URL"), decode_responses=True) as client:
        kept: Any = client.keys("*task-meta-*")
    ended = Api(stack.url).get("/api/process/status/all?limit=100").body["processes"]
    assert len(ended) == 4
    # one of each start, and none of a step
    assert len(kept) <= len(ended)
    lines = stack["worker"].log_text()
    assert "told to fail once" in lines
    assert "AttemptFailed" not in lines
