"""Maintenance as clients and ops see it, without workers and engine."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from service import maintenance
from store.clock import now
from store.event_rows import OPS
from tasks.broker.start_throttle import PAUSED_KEY
from tasks.topics.controls import controls
from tests.support.facade import USER, Facade, problem

PATH = "/api/process/maintenance"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process trusts an earlier reading, so no test waits."""
    monkeypatch.setattr(maintenance, "LIFETIME_S", 0.0)


def begin(facade: Facade, **given: Any) -> dict[str, Any]:
    answer = facade.http.put(PATH, json={"reason": "the warehouse moves", **given})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json or {}
    return body


def test_new_starts_are_refused_with_the_reason_and_a_time_to_try_again(facade: Facade) -> None:
    begin(facade)

    body = problem(refused := facade.start("order-1"), 503, "maintenance")

    assert "the warehouse moves" in body["detail"]
    assert refused.headers["Retry-After"] == "60"
    assert body["correlationId"] == "order-1"
    assert facade.rows() == []


def test_retry_after_is_the_time_that_ops_gave(facade: Facade) -> None:
    begin(facade, until=(now() + timedelta(minutes=30)).isoformat())

    seconds = int(facade.start("order-1").headers["Retry-After"])

    assert 1_700 < seconds <= 1_800


def test_a_start_that_was_accepted_before_is_joined(facade: Facade) -> None:
    assert facade.start("order-1", Prefer="respond-async").status_code == 202
    begin(facade)

    again = facade.start("order-1")

    assert again.status_code == 202
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (again.json or {})["maintenance"]["reason"] == "the warehouse moves"


def test_held_starts_are_accepted_and_do_not_wait(facade: Facade) -> None:
    begin(facade, starts="hold")

    answer = facade.start("order-1", Prefer="wait=20")

    assert answer.status_code == 202
    assert "Preference-Applied" not in answer.headers
    assert (answer.json or {})["maintenance"]["starts"] == "hold"
    assert [row.correlation_id for row in facade.rows()] == ["order-1"]


def test_status_health_and_monitor_say_so_until_it_ends(facade: Facade) -> None:
    facade.start("order-1", Prefer="respond-async")
    begin(facade)

    status = facade.http.get("/api/process/status/order-1").json or {}
    health = facade.http.get("/health/ready").json or {}
    page = facade.http.get("/monitor").text

    assert status["maintenance"] == health["maintenance"]
    assert status["maintenance"]["reason"] == "the warehouse moves"
    assert "the warehouse moves" in page

    ended = facade.http.delete(PATH)
    facade.services.health._checked_at = float("-inf")

    assert ended.status_code == 200
    assert (ended.json or {})["on"] is False
    assert (facade.http.get("/api/process/status/order-1").json or {})["maintenance"] is None
    assert (facade.http.get("/health/ready").json or {})["maintenance"] is None
    assert "the warehouse moves" not in facade.http.get("/monitor").text
    assert facade.start("order-2", Prefer="respond-async").status_code == 202


def test_no_step_is_fetched_and_no_start_is_consumed(facade: Facade) -> None:
    begin(facade)
    assert controls().maintenance
    assert controls().split([]) == ([], [])
    assert "the warehouse moves" in str(facade.runtime.redis.get(PAUSED_KEY))

    facade.http.delete(PATH)

    assert not controls().maintenance
    assert facade.runtime.redis.get(PAUSED_KEY) is None


def test_it_is_changed_and_ended_once_and_each_act_is_recorded(facade: Facade) -> None:
    first = begin(facade)
    second = begin(facade, reason="it takes longer", starts="hold")
    facade.http.delete(PATH)
    again = facade.http.delete(PATH)

    assert second["since"] == first["since"]
    assert (second["reason"], second["starts"], second["changedBy"]) == ("it takes longer", "hold", "api")
    assert again.status_code == 200
    assert again.json == facade.http.get(PATH).json
    events = facade.runtime.events.by_traceability_id("maintenance", after_seq=0, limit=10)
    assert [(event.phase, event.step_name) for event in events] == [
        *[(OPS, "maintenance on")] * 2,
        (OPS, "maintenance off"),
    ]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "reason"),
        ({"reason": ""}, "reason"),
        ({"reason": "x", "starts": "drop"}, "starts"),
        ({"reason": "x", "until": "2020-01-01T00:00:00Z"}, "until"),
        ({"reason": "x", "untill": None}, "untill"),
    ],
)
def test_wrong_fields_are_named_and_nothing_changes(facade: Facade, body: dict[str, Any], field: str) -> None:
    refused = problem(facade.http.put(PATH, json=body), 422, "invalid-fields")

    assert field in refused["errors"]
    assert (facade.http.get(PATH).json or {})["on"] is False


def test_several_topics_are_paused_and_resumed_all_or_none(facade: Facade) -> None:
    known = {topic["topic"] for topic in (facade.http.get("/api/process/topics").json or {})["topics"]}
    names = sorted(known)[:2]

    problem(facade.post("/api/process/topics/pause", {"topics": [names[0], "gone.work"]}), 404, "unknown-topic")
    none = facade.runtime.topics.all()
    paused = facade.post("/api/process/topics/pause", {"topics": names, "reason": "release"}).json or {}
    resumed = facade.post("/api/process/topics/resume", {"topics": names}).json or {}

    assert none == []
    assert [(topic["topic"], topic["paused"], topic["reason"]) for topic in paused["topics"]] == [
        (name, True, "release") for name in names
    ]
    assert [topic["paused"] for topic in resumed["topics"]] == [False, False]


def test_a_start_is_checked_before_it_is_refused(facade: Facade) -> None:
    begin(facade)

    problem(facade.start("order-1", {**USER, "email": "nonsense"}), 422, "invalid-fields")
