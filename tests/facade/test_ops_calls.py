"""Cancel, message, and the list by time, without workers and engine."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa

from store.event_rows import EventRow
from store.process_rows import ERROR, OK, Ending, ProcessRow
from tests.support.facade import Facade, problem


def accepted(facade: Facade, correlation_id: str = "order-1", instance: str | None = None) -> ProcessRow:
    assert facade.start(correlation_id, Prefer="respond-async").status_code == 202
    row = facade.runtime.processes.by_correlation_id(correlation_id)
    assert row is not None
    if instance is not None:
        assert facade.runtime.processes.claim(row.id, "token", for_s=30)[1]
        assert facade.runtime.processes.record_instance(row.id, instance)
    return row


def events(facade: Facade, row: ProcessRow) -> list[EventRow]:
    return facade.runtime.events.by_traceability_id(row.traceability_id, after_seq=0, limit=100)


def test_cancel_ends_the_row_with_its_reason_and_its_actor(facade: Facade) -> None:
    row = accepted(facade)

    first = facade.post("/api/process/order-1/cancel", {"reason": "withdrawn"})
    again = facade.post("/api/process/order-1/cancel", {"reason": "another"})

    assert first.status_code == again.status_code == 200
    assert first.json == again.json
    assert first.json is not None
    assert (first.json["status"], first.json["error"]) == ("cancelled", {"code": "CANCELLED", "message": "withdrawn"})
    assert [(event.step_name, event.actor) for event in events(facade, row)] == [("cancel", "api")]
    assert facade.rows()[0].engine_open


def test_cancel_needs_no_body(facade: Facade) -> None:
    accepted(facade)
    assert facade.http.post("/api/process/order-1/cancel").status_code == 200


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        (Ending(OK), 409),
        (Ending(ERROR, error={"code": "E"}), 409),
        (Ending(ERROR, error={"code": "INCIDENT"}, incident_id="i"), 200),
    ],
)
def test_only_an_incident_leaves_an_ended_row_to_be_cancelled(facade: Facade, ending: Ending, status: int) -> None:
    row = accepted(facade)
    assert facade.runtime.processes.settle(row.id, ending)
    response = facade.http.post("/api/process/order-1/cancel")
    assert response.status_code == status
    if status == 409:
        assert problem(response, 409, "already-ended")["currentStatus"] == ending.status


@pytest.mark.parametrize("body", [{"reason": "x" * 501}, {"reason": 1}, {"reason": ""}])
def test_wrong_reason_is_named(facade: Facade, body: Any) -> None:
    accepted(facade)
    assert list(problem(facade.post("/api/process/order-1/cancel", body), 422, "invalid-fields")["errors"]) == [
        "reason"
    ]
    assert facade.rows()[0].status == "pending"


def test_ops_calls_on_an_unknown_process_are_not_found(facade: Facade) -> None:
    problem(facade.http.post("/api/process/nobody/cancel"), 404, "unknown-correlation-id")
    problem(facade.post("/api/process/nobody/message", {"messageName": "m"}), 404, "unknown-correlation-id")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "messageName"),
        ({"messageName": ""}, "messageName"),
        ({"messageName": "m", "variables": []}, "variables"),
        ({"messageName": "m", "variables": {"executionContext": {}}}, "variables"),
        ({"messageName": "m", "variables": {"n": 1 << 70}}, "variables"),
        ({"messageName": "m", "variables": {"x" * 201: 1}}, "variables"),
    ],
)
def test_wrong_message_is_named(facade: Facade, body: Any, field: str) -> None:
    accepted(facade, instance="pi")
    response = facade.post("/api/process/order-1/message", body)
    assert list(problem(response, 422, "invalid-fields")["errors"]) == [field]


def test_message_before_the_start_may_be_sent_again(facade: Facade) -> None:
    accepted(facade)
    response = facade.post("/api/process/order-1/message", {"messageName": "m"})
    problem(response, 409, "message-not-correlated")
    assert response.headers["Retry-After"]


def test_message_to_an_unavailable_engine_is_503(facade: Facade) -> None:
    row = accepted(facade, instance="pi")
    response = facade.post("/api/process/order-1/message", {"messageName": "m"})
    problem(response, 503, "engine-away")
    assert response.headers["Retry-After"]
    assert events(facade, row) == []


def test_completion_records_the_actor(facade: Facade) -> None:
    row = accepted(facade)
    facade.post("/api/process/complete", {"correlationId": "order-1", "status": "ok"})
    assert [(event.step_name, event.actor) for event in events(facade, row)] == [("complete", "api")]


def test_answers_carry_links(facade: Facade) -> None:
    started = facade.start("order-1", Prefer="respond-async").json
    status = facade.http.get("/api/process/status/order-1").json
    assert started is not None
    assert status is not None
    assert started["links"] == status["links"]
    assert started["links"] == {
        "status": "/api/process/status/order-1",
        "events": "/api/process/order-1/events",
        "eventLog": f"/api/process/event-log/{started['traceabilityId']}",
        "cancel": "/api/process/order-1/cancel",
    }


def test_every_link_of_an_answer_works_at_once(facade: Facade) -> None:
    started = facade.start("order-1", Prefer="respond-async").json
    assert started is not None
    log = facade.http.get(started["links"]["eventLog"])
    assert (log.status_code, log.json) == (200, {"eventLog": [], "nextCursor": None})
    assert facade.http.get(started["links"]["status"]).status_code == 202
    problem(facade.http.get("/api/process/event-log/nobody"), 404, "unknown-traceability-id")
    assert facade.http.post(started["links"]["cancel"]).status_code == 200


@pytest.mark.parametrize("field", ["startedAfter", "startedBefore"])
@pytest.mark.parametrize("value", ["yesterday", "2026-01-01T00:00:00", ""])
def test_wrong_time_is_named(facade: Facade, field: str, value: str) -> None:
    response = facade.http.get(f"/api/process/status/all?{urlencode({field: value})}")
    assert list(problem(response, 422, "invalid-fields")["errors"]) == [field]


def test_span_of_time_has_its_beginning_and_not_its_end(facade: Facade) -> None:
    moment = accepted(facade).started_at.isoformat()

    def listed(**query: str) -> int:
        answer = facade.http.get(f"/api/process/status/all?{urlencode(query)}").json
        assert answer is not None
        return len(answer["processes"])

    assert listed(startedAfter=moment) == 1
    assert listed(startedBefore=moment) == 0
    assert listed(startedAfter="2020-01-01T00:00:00+02:00", startedBefore="2020-01-02T00:00:00Z") == 0


def test_times_that_utc_cannot_express_limit_a_list_too(facade: Facade) -> None:
    accepted(facade)

    def listed(**query: str) -> int:
        return len((facade.http.get(f"/api/process/status/all?{urlencode(query)}").json or {})["processes"])

    assert listed(startedAfter="0001-01-01T00:00:00+14:00", startedBefore="9999-12-31T23:59:59-14:00") == 1
    assert listed(startedBefore="0001-01-01T00:00:00+14:00") == 0


@pytest.mark.parametrize("more", [{}, {"status": "ok"}, {"process_key": "p"}, {"before_seq": 5}])
def test_list_by_time_sorts_nothing(facade: Facade, more: dict[str, Any]) -> None:
    plans: list[str] = []
    engine = facade.runtime.database.engine

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("SELECT process_store"):
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.extend(row[3] for row in cursor.fetchall())

    sa.event.listen(engine, "before_cursor_execute", explain)
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    facade.runtime.processes.page(limit=10, started_after=moment, started_before=moment, **more)
    assert plans
    assert not [plan for plan in plans if "TEMP B-TREE" in plan], plans
