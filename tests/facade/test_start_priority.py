"""The priority of a start: in the request, the row, the message, the status, and in every message sent again."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis

from store import processes
from store.clock import now
from store.process_rows import NewProcess
from tasks import app
from tasks.broker.publish import send_start, send_start_again
from tasks.broker.start_priority import HIGHEST, LOWEST, STARTS_LISTS, list_of
from tasks.settling import reconcile
from tests.support.facade import USER, Facade, problem


def start(facade: Facade, correlation_id: str, **more: Any) -> Any:
    body = {"processKey": "onboard-user", "variables": USER, "correlationId": correlation_id, **more}
    return facade.post("/api/process/start", body, Prefer="respond-async")


def waiting(client: redis.Redis) -> dict[str, list[str]]:
    """The correlation ids in each list of starts that exists, oldest first."""
    return {
        name: [json.loads(text)["headers"]["argsrepr"].strip("()") for text in reversed(client.lrange(name, 0, -1))]  # type: ignore[arg-type]
        for name in STARTS_LISTS
        if client.exists(name)
    }


def test_start_without_a_priority_has_priority_0(facade: Facade, client: redis.Redis) -> None:
    assert start(facade, "plain").status_code == 202
    assert facade.rows()[0].priority == 0
    assert facade.http.get("/api/process/status/plain").get_json()["priority"] == 0
    assert waiting(client) == {"starts": ["plain"]}


@pytest.mark.parametrize("priority", [LOWEST, -1, 1, HIGHEST])
def test_priority_is_in_the_row_the_status_and_the_queue(facade: Facade, client: redis.Redis, priority: int) -> None:
    assert start(facade, "ranked", priority=priority).status_code == 202
    assert facade.rows()[0].priority == priority
    assert facade.http.get("/api/process/status/ranked").get_json()["priority"] == priority
    (listed,) = facade.http.get("/api/process/status/all").get_json()["processes"]
    assert listed["priority"] == priority
    assert waiting(client) == {list_of(priority): ["ranked"]}


@pytest.mark.parametrize("priority", [LOWEST - 1, HIGHEST + 1, 1.5, "1", True, None, [1], 10**30])
def test_other_priorities_are_refused(facade: Facade, priority: Any) -> None:
    body = problem(start(facade, "wrong", priority=priority), 422, "invalid-fields")
    assert list(body["errors"]) == ["priority"]
    assert facade.rows() == []


def test_whole_number_in_any_form_of_json_is_a_priority(facade: Facade) -> None:
    assert start(facade, "float", priority=2.0).status_code == 202
    assert facade.rows()[0].priority == 2


def test_repeated_start_with_another_priority_joins_the_first_and_changes_nothing(
    facade: Facade, client: redis.Redis
) -> None:
    start(facade, "same", priority=1)
    again = start(facade, "same", priority=5)
    assert again.status_code == 202
    assert again.headers["Idempotency-Replayed"] == "true"
    assert facade.rows()[0].priority == 1
    assert waiting(client) == {list_of(1): ["same"]}


def test_bounds_and_default_are_in_the_openapi_document(facade: Facade) -> None:
    schemas = facade.http.get("/openapi.json").get_json()["components"]["schemas"]
    found = schemas["Start.onboard-user"]["properties"]["priority"]
    assert (found["type"], found["minimum"], found["maximum"], found["default"]) == ("integer", LOWEST, HIGHEST, 0)
    assert schemas["StatusAnswer"]["properties"]["priority"]["type"] == "integer"


def test_limit_of_waiting_starts_holds_for_every_priority(facade: Facade, client: redis.Redis) -> None:
    facade.change(max_pending_starts=2)
    start(facade, "one", priority=-1)
    start(facade, "two")
    problem(start(facade, "three", priority=HIGHEST), 503, "too-many-pending-starts")
    assert waiting(client) == {"starts": ["two"], list_of(-1): ["one"]}


@pytest.fixture
def long_ago(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Move the clock, so that rows are written an hour ago."""
    with monkeypatch.context() as patch:
        patch.setattr(processes, "now", lambda: now() - timedelta(hours=1))
        yield patch


def test_starts_that_redis_lost_are_sent_again_with_their_priorities(
    facade: Facade, client: redis.Redis, long_ago: pytest.MonkeyPatch
) -> None:
    for name, priority in {"bulk-1": -1, "plain-1": 0, "urgent": 3, "bulk-2": -1, "plain-2": 0}.items():
        start(facade, name, priority=priority)
    sent = waiting(client)
    assert sent == {list_of(3): ["urgent"], "starts": ["plain-1", "plain-2"], list_of(-1): ["bulk-1", "bulk-2"]}
    long_ago.undo()
    client.flushall()

    reconcile.resend_starts()

    assert waiting(client) == sent


def test_waiting_start_of_any_priority_is_not_sent_again(
    facade: Facade, client: redis.Redis, long_ago: pytest.MonkeyPatch
) -> None:
    for priority in (LOWEST, 0, HIGHEST):
        start(facade, f"waits{priority}", priority=priority)
    long_ago.undo()
    sent = waiting(client)

    reconcile.resend_starts()

    assert waiting(client) == sent


def test_start_that_finds_no_slot_goes_back_before_the_others_of_its_priority(
    facade: Facade, client: redis.Redis
) -> None:
    rows = {name: NewProcess(uuid.uuid4(), name, "h", "onboard-user", {}, "t", priority=2) for name in ("a", "b")}
    for name, row in rows.items():
        send_start(row.id, process_key="onboard-user", correlation_id=name, priority=2)
    send_start_again(str(rows["a"].id), shadow=None, argsrepr="(again)", priority=2)
    assert waiting(client) == {list_of(2): ["again", "a", "b"]}


def test_purge_empties_the_starts_of_every_priority(facade: Facade, client: redis.Redis) -> None:
    for priority in (LOWEST, 0, HIGHEST):
        start(facade, f"purged{priority}", priority=priority)
    with app.connection_for_write() as connection:
        assert connection.default_channel.queue_purge("starts") == 3
    assert waiting(client) == {}
