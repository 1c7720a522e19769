"""Every error answer is problem details; a start writes a row or nothing."""

from __future__ import annotations

import json
import re
import sqlite3
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
import redis

from dev.ports import free_port
from store.database import Database
from store.errors import DatabaseUnavailable
from store.process_rows import CANCELLED, ERROR, OK, Ending
from store.processes import ProcessStore
from tests.support.facade import USER, Facade, problem


def accept(facade: Facade, correlation_id: str = "order-1") -> uuid.UUID:
    assert facade.start(correlation_id, Prefer="respond-async").status_code == 202
    row = facade.runtime.processes.by_correlation_id(correlation_id)
    assert row is not None
    return row.id


# -- unknown addresses


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/nowhere", 404, "not-found"),
        ("GET", "/api/process/start", 405, "method-not-allowed"),
        ("DELETE", "/api/process/status/x", 405, "method-not-allowed"),
        ("GET", "/api/process/status/nobody", 404, "unknown-correlation-id"),
        ("GET", "/api/process/status/%F0%9F%92%A9%00%ff'--", 404, "unknown-correlation-id"),
        ("GET", "/api/process/status/" + "x" * 3_000, 404, "unknown-correlation-id"),
        ("GET", "/api/process/event-log/nobody", 404, "unknown-traceability-id"),
    ],
)
def test_unknown_address_is_a_problem(facade: Facade, method: str, path: str, status: int, kind: str) -> None:
    response = facade.http.open(path, method=method)
    body = problem(response, status, kind)
    assert body["instance"].startswith("/")
    assert len(response.data) < 5_000


def test_wrong_method_is_answered_with_the_right_ones(facade: Facade) -> None:
    assert "POST" in facade.http.get("/api/process/start").headers["Allow"]


def test_completion_of_an_unknown_process_is_not_found(facade: Facade) -> None:
    body = {"correlationId": "nobody", "status": "ok"}
    problem(facade.post("/api/process/complete", body), 404, "unknown-correlation-id")


def test_fault_of_ours_shows_no_stack_trace(facade: Facade, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(facade.runtime.processes, "by_correlation_id", broken)
    response = facade.http.get("/api/process/status/order-1")
    problem(response, 500, "internal-error")
    assert "secret" not in response.text
    assert "ZeroDivision" not in response.text


# -- starts that are accepted


def test_accepted_start_is_a_pending_row_and_a_message_of_its_id(facade: Facade, client: redis.Redis) -> None:
    response = facade.start("order-1", Prefer="respond-async")
    assert response.status_code == 202
    body = response.json
    assert body is not None
    assert (body["status"], body["correlationId"]) == ("pending", "order-1")
    assert response.headers["Location"] == body["statusUrl"] == "/api/process/status/order-1"
    assert response.headers["Retry-After"] == "2"
    (row,) = facade.rows()
    assert (row.status, row.variables, row.traceability_id) == ("pending", USER, body["traceabilityId"])
    (message,) = client.lrange("starts", 0, -1)
    assert json.loads(message)["headers"]["id"] == str(row.id)
    status = facade.http.get(body["statusUrl"])
    assert (status.status_code, status.headers["Retry-After"]) == (202, "2")


def test_start_without_a_correlation_id_gets_one(facade: Facade) -> None:
    body = facade.start(Prefer="respond-async").json
    assert body is not None
    assert facade.rows()[0].correlation_id == str(uuid.UUID(body["correlationId"]))


def test_same_start_joins_the_first(facade: Facade, client: redis.Redis) -> None:
    first = facade.start("order-1", Prefer="respond-async", X_Traceability_Id="first")
    # The order of the fields and the labels don't matter.
    again = facade.start("order-1", dict(reversed(USER.items())), Prefer="respond-async", X_Traceability_Id="second")
    assert again.status_code == 202
    assert first.json == again.json
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert len(facade.rows()) == 1
    assert client.llen("starts") == 1


@pytest.mark.parametrize("change", [{"userId": "other"}, {"firstName": "ada"}])
def test_same_correlation_id_with_other_content_is_a_conflict(
    facade: Facade, client: redis.Redis, change: dict[str, Any]
) -> None:
    accept(facade)
    body = problem(facade.start("order-1", {**USER, **change}), 409, "correlation-id-conflict")
    assert (body["correlationId"], body["statusUrl"]) == ("order-1", "/api/process/status/order-1")
    assert facade.rows()[0].variables == USER
    assert client.llen("starts") == 1


def test_start_that_does_not_end_in_time_is_answered_202(facade: Facade) -> None:
    begun = time.monotonic()
    assert facade.start("order-1").status_code == 202
    assert time.monotonic() - begun >= facade.settings.sync_timeout_ms / 1000


# -- starts whose process has ended


@pytest.mark.parametrize(
    ("ending", "status", "kind"),
    [
        (Ending(ERROR, error={"code": "NO_MONEY", "message": "too poor", "details": {"n": 1}}), 422, "process-failed"),
        (Ending(ERROR, error={"code": "E", "message": "m", "type": ["odd"]}), 422, "process-failed"),
        (Ending(ERROR, error={"code": "E", "message": "m", "type": {}}), 422, "process-failed"),
        (Ending(ERROR, error={"code": {"odd": 1}, "message": "m"}), 422, "process-failed"),
        (Ending(ERROR), 422, "process-failed"),
        (Ending(ERROR, error={"code": "INCIDENT", "message": "m", "type": "incident"}), 500, "process-error"),
        (Ending(ERROR, error={"code": "INSTANCE_LOST", "message": "m", "type": "lost"}), 500, "process-error"),
        (Ending(ERROR, error={"code": "PROCESS_NOT_DEPLOYED", "message": "m"}), 500, "process-error"),
        (Ending(ERROR, error={"code": "START_REFUSED", "message": "m"}), 500, "process-error"),
        (Ending(CANCELLED, error={"code": "CANCELLED", "message": "by ops"}), 409, "process-cancelled"),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_start_of_a_process_that_ended_badly_is_a_problem(
    facade: Facade, ending: Ending, status: int, kind: str
) -> None:
    process_id = accept(facade)
    assert facade.runtime.processes.record_instance(process_id, "pi")
    facade.runtime.processes.settle(process_id, ending, process_instance_id="pi")
    body = problem(facade.start("order-1"), status, kind)
    assert (body["correlationId"], body["statusUrl"]) == ("order-1", "/api/process/status/order-1")
    assert body["processInstanceId"] == "pi"
    assert body.get("error") == ending.error


@pytest.mark.parametrize(
    "error",
    [
        {"code": "VALIDATION_ERROR", "message": "m", "details": {"errors": {"approved": ["Not a valid boolean."]}}},
        {"code": "INCIDENT", "message": "m", "type": "incident", "errors": {"approved": ["Not a valid boolean."]}},
    ],
)
def test_fields_that_a_step_refused_are_the_errors_of_the_problem(facade: Facade, error: dict[str, object]) -> None:
    process_id = accept(facade)
    facade.runtime.processes.settle(process_id, Ending(ERROR, error=error))
    assert (facade.start("order-1").json or {})["errors"] == {"approved": ["Not a valid boolean."]}


def test_start_of_a_process_that_ended_well_is_its_result(facade: Facade) -> None:
    process_id = accept(facade)
    assert facade.runtime.processes.record_instance(process_id, "pi")
    facade.runtime.processes.settle(process_id, Ending(OK, result={"n": [None]}), process_instance_id="pi")
    response = facade.start("order-1")
    assert response.status_code == 200
    assert response.json is not None
    assert {name: response.json[name] for name in ("status", "correlationId", "processInstanceId", "result")} == {
        "status": "ok", "correlationId": "order-1", "processInstanceId": "pi", "result": {"n": [None]},
    }  # fmt: skip


# -- complete by ops


def test_completion_is_answered_with_the_end_however_often_it_comes(facade: Facade) -> None:
    accept(facade)
    body = {"correlationId": "order-1", "status": "ok", "data": {"n": 1.0, "none": None}}
    answers = [facade.post("/api/process/complete", body) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert [answer.json["data"] for answer in answers if answer.json] == [body["data"]] * 3


def test_completion_with_another_end_is_a_conflict(facade: Facade) -> None:
    accept(facade)
    body = {"correlationId": "order-1", "status": "ok", "data": 1}
    facade.post("/api/process/complete", body)
    for other in ({**body, "data": 2}, {"correlationId": "order-1", "status": "error", "error": {"message": "m"}}):
        refused = problem(facade.post("/api/process/complete", other), 409, "already-ended")
        assert refused["currentStatus"] == "ok"


def test_completion_with_an_error_of_any_shape_answers_later_starts(facade: Facade) -> None:
    accept(facade)
    error = {"message": "m", "type": {"a": []}, "code": [1]}
    body = {"correlationId": "order-1", "status": "error", "error": error}
    assert facade.post("/api/process/complete", body).status_code == 200
    assert problem(facade.start("order-1"), 422, "process-failed")["error"] == error


# -- unavailable parts


def test_start_while_the_broker_is_unavailable_is_accepted_and_kept(facade: Facade) -> None:
    facade.change(redis_url=f"redis://127.0.0.1:{free_port()}/0")
    begun = time.monotonic()
    response = facade.start("order-1")
    assert time.monotonic() - begun < 5
    assert response.status_code == 202
    assert response.headers["Location"] == "/api/process/status/order-1"
    assert [row.status for row in facade.rows()] == ["pending"]


def test_start_while_the_database_is_unavailable_is_refused_and_writes_nothing(
    facade: Facade, client: redis.Redis, tmp_path: Path
) -> None:
    holder = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    begun = time.monotonic()
    response = facade.start("order-1")
    assert time.monotonic() - begun < 3
    problem(response, 503, "database-away")
    assert response.headers["Retry-After"] == "2"
    holder.execute("ROLLBACK")
    holder.close()
    assert facade.rows() == []
    assert client.llen("starts") == 0
    assert facade.start("order-1", Prefer="respond-async").status_code == 202


@pytest.mark.parametrize("path", ["/api/process/status/order-1", "/api/process/status/all", "/api/process/event-log/t"])
def test_status_while_the_database_is_unavailable_is_refused(facade: Facade, tmp_path: Path, path: str) -> None:
    facade.runtime.database.dispose()
    (tmp_path / "store.db").unlink()
    (tmp_path / "store.db").mkdir()
    response = facade.http.get(path)
    problem(response, 503, "database-away")
    assert response.headers["Retry-After"] == "2"


def test_starts_past_the_limit_are_refused_and_known_ones_still_answered(facade: Facade, client: redis.Redis) -> None:
    facade.change(max_pending_starts=2)
    accept(facade, "order-1")
    accept(facade, "order-2")
    facade.services.starter._counted_at = float("-inf")
    response = facade.start("order-3")
    problem(response, 503, "too-many-pending-starts")
    assert response.headers["Retry-After"] == "2"
    assert len(facade.rows()) == client.llen("starts") == 2
    assert facade.start("order-1").status_code == 202


def test_start_past_the_limit_of_waits_is_answered_202_at_once(facade: Facade) -> None:
    facade.change(max_waiting_requests=1, sync_timeout_ms=60_000)
    with facade.services.waiters.waiting(uuid.uuid4()):
        begun = time.monotonic()
        assert facade.start("order-1").status_code == 202
        assert time.monotonic() - begun < 5


def test_joining_takes_one_place_among_the_waits(facade: Facade) -> None:
    process_id = accept(facade)
    waiters = facade.services.waiters
    found: list[int] = []
    original = facade.runtime.processes.by_id

    def ended(wanted: uuid.UUID) -> Any:
        # called when the join is registered: the process ends at this moment
        found.append(waiters.count)
        facade.runtime.processes.settle(process_id, Ending(OK, result=1))
        return original(wanted)

    facade.runtime.processes.by_id = ended  # type: ignore[method-assign]
    assert facade.start("order-1").status_code == 200
    assert found == [1]


def test_health_shows_which_part_is_down(facade: Facade) -> None:
    assert facade.http.get("/health/live").json == {"status": "alive"}
    response = facade.http.get("/health/ready")
    body = response.json
    assert body is not None
    assert (response.status_code, body["status"]) == (200, "degraded")
    assert {name: part["up"] for name, part in body["parts"].items()} == {
        "database": True, "broker": True, "engine": False, "workers": False, "beat": False,
        "history": True, "permissions": True, "processes": True,
    }  # fmt: skip
    # the form of every time in this API
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["parts"]["engine"]["since"])


def test_health_names_the_driver_but_neither_host_nor_password(facade: Facade, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "mssql+pyodbc://app:geheim-4711@sql.example.org/processes"
    database = Database(url, pool_size=1, timeout_ms=1_000)
    monkeypatch.setattr(database, "ping", lambda: None)
    monkeypatch.setattr(database, "advice", lambda: "")
    monkeypatch.setattr(facade.runtime, "database", database)
    response = facade.http.get("/health/ready")
    assert response.json is not None
    assert database.driver is not None
    assert response.json["parts"]["database"]["detail"] == f"mssql through {database.driver.name}"
    assert not [word for word in ("geheim-4711", "sql.example.org") if word in response.text]


def test_health_without_a_database_is_unavailable(facade: Facade, tmp_path: Path) -> None:
    facade.runtime.database.dispose()
    (tmp_path / "store.db").unlink()
    (tmp_path / "store.db").mkdir()
    response = facade.http.get("/health/ready")
    assert response.status_code == 503
    assert response.json is not None
    assert response.json["status"] == "unavailable"


def test_health_survives_a_check_that_fails_in_any_way(facade: Facade, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError("login failed")

    monkeypatch.setattr(facade.runtime.database, "ping", broken)
    response = facade.http.get("/health/ready")
    assert response.status_code == 503
    assert response.json is not None
    assert not response.json["parts"]["database"]["up"]


def test_openapi_document_and_its_page_are_served(facade: Facade) -> None:
    document = facade.http.get("/openapi.json").json
    assert document is not None
    assert {"/api/process/start", "/api/process/status/{correlation_id}"} <= set(document["paths"])
    assert facade.http.get("/docs").status_code == 200
    assert facade.http.get("/docs/swagger-ui.css").status_code == 200
    problem(facade.http.get("/docs/../celeryconfig.py"), 404, "not-found")


def test_start_with_an_unknown_commit_reports_that_and_the_id_that_joins_it(
    facade: Facade, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ProcessStore.accept

    def accepted_unheard(self: ProcessStore, *given: Any) -> bool:
        real(self, *given)
        raise DatabaseUnavailable("communication link failure", maybe_done=True)

    body = {"processKey": "onboard-user", "variables": USER}
    with monkeypatch.context() as patch:
        patch.setattr(ProcessStore, "accept", accepted_unheard)
        said = problem(facade.http.post("/api/process/start", json=body), 503, "database-away")
    assert "may have been carried out" in said["detail"]
    assert said["statusUrl"].endswith(said["correlationId"])

    again = facade.http.post(
        "/api/process/start", json={**body, "correlationId": said["correlationId"]}, headers={"Prefer": "respond-async"}
    )

    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (202, "true")
    assert len(facade.rows()) == 1


def test_start_that_never_reached_the_store_is_reported_as_not_accepted(
    facade: Facade, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> bool:
        raise DatabaseUnavailable("no connection")

    monkeypatch.setattr(ProcessStore, "accept", away)
    said = problem(facade.start("order-1"), 503, "database-away")
    assert said["detail"].startswith("nothing was changed")
    assert said["correlationId"] == "order-1"


def test_same_idempotency_key_joins_the_first_start(facade: Facade) -> None:
    def post(key: str, **changes: Any) -> Any:
        body = {"processKey": "onboard-user", "variables": {**USER, **changes}}
        headers = {"Prefer": "respond-async", "Idempotency-Key": key}
        return facade.http.post("/api/process/start", json=body, headers=headers)

    first, again = post("8e03978e-40d5-43dd-bc93-6894a57f9324"), post('"8e03978e-40d5-43dd-bc93-6894a57f9324"')
    assert first.json["correlationId"] == again.json["correlationId"] == "8e03978e-40d5-43dd-bc93-6894a57f9324"
    assert (first.headers.get("Idempotency-Replayed"), again.headers["Idempotency-Replayed"]) == (None, "true")
    assert len(facade.rows()) == 1
    problem(post("8e03978e-40d5-43dd-bc93-6894a57f9324", country="FR"), 409, "correlation-id-conflict")


def test_idempotency_key_that_is_not_the_correlation_id_is_refused(facade: Facade) -> None:
    body = {"processKey": "onboard-user", "correlationId": "order-1", "variables": USER}
    refused = facade.http.post("/api/process/start", json=body, headers={"Idempotency-Key": "order-2"})
    assert "Idempotency-Key 'order-2'" in problem(refused, 409, "correlation-id-conflict")["detail"]
    assert facade.rows() == []
    same = {"Idempotency-Key": "order-1", "Prefer": "respond-async"}
    assert facade.http.post("/api/process/start", json=body, headers=same).status_code == 202


@pytest.mark.parametrize(
    "key", ["", '""', "no good key", "é", "a,b", '"open', "x" * 201, "bulk", '"bulk"', "..", "a;b"]
)
def test_idempotency_key_that_cannot_be_an_id_is_a_bad_request_that_names_the_header(facade: Facade, key: str) -> None:
    said = problem(facade.start(Idempotency_Key=key), 400, "invalid-idempotency-key")
    assert said["detail"].startswith("Idempotency-Key: ")
    assert set(said["errors"]) == {"Idempotency-Key"}
    assert facade.rows() == []


def test_message_with_an_idempotency_key_is_refused_because_nothing_would_keep_it(facade: Facade) -> None:
    facade.start("order-1", Prefer="respond-async")
    path, body = "/api/process/order-1/message", {"messageName": "payment"}
    said = problem(facade.post(path, body, Idempotency_Key="m-1"), 400, "invalid-idempotency-key")
    assert "Idempotency-Key" in said["detail"]
