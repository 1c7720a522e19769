"""Bulk calls and controls of topics, with the commands and the real facade, without an engine."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from app.client.exit_codes import ExitCode
from app.operations import bulk
from store.event_rows import EventRow
from store.process_rows import CANCELLED, ERROR, OK, PENDING, Ending, ProcessRow
from tasks.topics.controls import controls, refresh
from tests.facade.test_client_commands import flask
from tests.support.facade import Facade, problem

__all__ = ["flask"]

TOPIC = "onboard-user.validate-user-information"


def accept(facade: Facade, name: str, ending: Ending | None = None) -> ProcessRow:
    assert facade.start(name, Prefer="respond-async").status_code == 202
    row = facade.runtime.processes.by_correlation_id(name)
    assert row is not None
    if ending is not None:
        assert facade.runtime.processes.record_instance(row.id, f"pi-{name}")
        assert facade.runtime.processes.settle(row.id, ending, process_instance_id=f"pi-{name}")
    return row


def incident(text: str) -> Ending:
    return Ending(ERROR, error={"code": "INCIDENT", "message": text}, incident_id="i")


def events(facade: Facade, name: str) -> list[EventRow]:
    return facade.runtime.events.by_correlation_id(name)


def act(facade: Facade, what: str, **body: Any) -> dict[str, Any]:
    answer = facade.post(f"/api/process/bulk/{what}", body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json or {}
    return found


def names(answer: dict[str, Any]) -> list[str]:
    return [item["correlationId"] for item in answer["processes"]]


def test_dry_run_lists_the_matches_and_changes_nothing(facade: Facade) -> None:
    for name in ("a", "b", "c"):
        accept(facade, name)
    accept(facade, "ended", Ending(OK))
    accept(facade, "incident", incident("timed out"))

    assert names(act(facade, "cancel")) == ["c", "b", "a"]
    assert names(act(facade, "cancel", status=ERROR)) == names(act(facade, "retry")) == ["incident"]
    assert names(act(facade, "cancel", processKey="another")) == []
    assert {row.status for row in facade.rows()} == {PENDING, OK, ERROR}


def test_all_matches_are_cancelled_each_with_its_own_event(facade: Facade) -> None:
    for name in ("a", "b"):
        accept(facade, name)
    accept(facade, "ended", Ending(OK))

    answer = act(facade, "cancel", dryRun=False, reason="withdrawn")

    assert (answer["done"], answer["refused"], names(answer), answer["nextCursor"]) == (2, 0, ["b", "a"], None)
    assert {row.correlation_id: row.status for row in facade.rows()} == {"a": CANCELLED, "b": CANCELLED, "ended": OK}
    for name in ("a", "b"):
        assert [(event.step_name, event.actor) for event in events(facade, name)] == [("cancel", "api")]


def test_error_text_is_compared_letter_by_letter(facade: Facade) -> None:
    accept(facade, "a", incident("Read timed out. (100%)"))
    accept(facade, "b", incident("refused"))
    accept(facade, "c", Ending(ERROR, error={"message": "timed out"}))

    assert names(act(facade, "retry", errorContains="timed out. (100%")) == ["a"]
    assert names(act(facade, "retry", errorContains="TIMED")) == []


def test_pages_go_on_where_they_ended(facade: Facade, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "PAGE", 2)
    monkeypatch.setattr(bulk, "MOST_ROWS", 6)
    for number in range(5):
        accept(facade, f"p{number}")
    first = act(facade, "cancel", limit=3)
    second = act(facade, "cancel", limit=3, cursor=first["nextCursor"])
    assert names(first) + names(second) == ["p4", "p3", "p2", "p1", "p0"]
    assert second["nextCursor"] is None


def test_one_call_looks_at_a_bounded_number_of_rows(facade: Facade, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "PAGE", 2)
    monkeypatch.setattr(bulk, "MOST_ROWS", 4)
    for number in range(7):
        accept(facade, f"p{number}", incident("found" if number == 0 else "other"))
    first = act(facade, "retry", errorContains="found")
    assert (names(first), first["nextCursor"] is None) == ([], False)
    second = act(facade, "retry", errorContains="found", cursor=first["nextCursor"])
    assert (names(second), second["nextCursor"]) == (["p0"], None)


def test_unavailable_engine_stops_a_bulk_retry_before_the_process_that_failed(facade: Facade) -> None:
    accept(facade, "a", incident("x"))
    answer = act(facade, "retry", dryRun=False)
    assert answer["stopped"]
    assert (answer["done"], answer["processes"]) == (0, [])
    assert facade.rows()[0].status == ERROR


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"limit": 201}, "limit"),
        ({"limit": True}, "limit"),
        ({"dryRun": "no"}, "dryRun"),
        ({"dryRun": 0}, "dryRun"),
        ({"status": OK}, "status"),
    ],
)
def test_wrong_filter_is_named(facade: Facade, body: Any, field: str) -> None:
    assert list(problem(facade.post("/api/process/bulk/cancel", body), 422, "invalid-fields")["errors"]) == [field]


def test_command_counts_asks_and_cancels(facade: Facade, flask: Callable[..., Result]) -> None:
    for name in ("a", "b"):
        accept(facade, name)
    dry = flask("cancel-all", "--dry-run")
    assert (dry.exit_code, dry.stdout.count("fits "), "2 processes match" in dry.stderr) == (0, 2, True)
    assert flask("cancel-all", input="n\n").exit_code == 1
    assert {row.status for row in facade.rows()} == {PENDING}
    done = flask("cancel-all", "--reason", "withdrawn", input="y\n")
    assert (done.exit_code, "2 done, 0 refused" in done.stderr) == (0, True)
    assert {row.status for row in facade.rows()} == {CANCELLED}


def test_command_says_when_the_engine_stopped_it(facade: Facade, flask: Callable[..., Result]) -> None:
    accept(facade, "a", incident("x"))
    assert flask("retry-all", "--yes").exit_code == ExitCode.UNAVAILABLE


def test_topic_is_paused_limited_and_resumed_from_a_shell(facade: Facade, flask: Callable[..., Result]) -> None:
    paused = flask("pause", TOPIC, "--reason", "partner is down")
    assert (paused.exit_code, "partner is down" in paused.stdout) == (0, True)
    assert controls().paused == {TOPIC}
    limited = flask("limit", TOPIC, "--max-concurrency", "4", "--rate", "5/second", "--json")
    document = json.loads(limited.stdout)
    assert (document["maxConcurrency"], document["rate"], document["inFlight"]) == (4, "5/second", 0)
    assert flask("resume", TOPIC).exit_code == 0
    assert (
        flask("limit", TOPIC, "--max-concurrency", "code", "--rate", "code").stdout == f"{TOPIC}: no pause, no limit\n"
    )
    assert controls().paused == frozenset()
    assert f"{TOPIC}: no pause, no limit" in flask("topics").stdout
    assert flask("pause", "nobody").exit_code == ExitCode.NOT_FOUND
    assert flask("limit", TOPIC).exit_code == ExitCode.USAGE
    said = facade.runtime.events.by_traceability_id(f"topic:{TOPIC}")
    assert [event.step_name for event in said] == ["pause", "limit", "resume", "limit"]


def test_data_is_exported_and_erased_from_a_shell(facade: Facade, flask: Callable[..., Result]) -> None:
    row = accept(facade, "a")
    assert flask("erase", "a", "--yes").exit_code == ExitCode.REFUSED
    assert facade.runtime.processes.settle(row.id, Ending(ERROR, error={"code": "START_REFUSED"}))
    exported = json.loads(flask("export", "a").stdout)
    assert (exported["process"]["correlation_id"], exported["engine"]) == ("a", [])
    assert flask("erase", "a", input="n\n").exit_code == 1
    assert flask("erase", "a", "--yes").exit_code == 0
    assert flask("export", "a").exit_code == ExitCode.NOT_FOUND
    assert facade.rows() == []


def test_store_is_the_truth_about_topics(facade: Facade, flask: Callable[..., Result]) -> None:
    flask("pause", TOPIC)
    facade.runtime.redis.flushall()
    assert TOPIC in json.loads(refresh())["paused"]
    health = facade.http.get("/health/ready").json or {}
    assert list(health["pausedTopics"]) == [TOPIC]
