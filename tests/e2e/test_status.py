"""Status, list, complete by ops, event log, health."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import requests

from dev.stack import Stack
from tests.support.api import Api, eventually


def test_unknown_ids_are_404_problems(api: Api) -> None:
    for path in ("/api/process/status/nobody", "/api/process/event-log/nobody"):
        answer = api.get(path)
        assert answer.status == 404
        assert answer.headers["content-type"] == "application/problem+json"


def test_correlation_ids_are_matched_exactly(api: Api, correlation_id: str) -> None:
    api.start("probe", {}, correlation_id)

    assert api.status(correlation_id).status == 200
    assert api.status(correlation_id.upper()).status == 404
    assert api.status(correlation_id + "%20").status == 404


def test_list_pages_newest_first_and_filters(api: Api) -> None:
    ids = [api.start("error-end" if number % 2 else "probe").body["correlationId"] for number in range(5)]

    first = api.get("/api/process/status/all?limit=2").body
    second = api.get(f"/api/process/status/all?limit=2&cursor={first['nextCursor']}").body

    listed = [row["correlationId"] for row in first["processes"] + second["processes"]]
    assert listed == list(reversed(ids))[:4]
    errors = api.get("/api/process/status/all?status=error&processKey=error-end&limit=500").body["processes"]
    assert {row["status"] for row in errors} == {"error"}
    assert {row["processKey"] for row in errors} == {"error-end"}


def test_wrong_list_queries_name_what_is_wrong(api: Api) -> None:
    for query, status, field in (
        ("status=done", 422, "status"),
        ("limit=0", 422, "limit"),
        ("limit=x", 422, "limit"),
        ("cursor=zzz", 400, "cursor"),
        ("colour=red", 422, "colour"),
    ):
        answer = api.get(f"/api/process/status/all?{query}")
        assert (answer.status, list(answer.body["errors"])) == (status, [field]), query


def test_long_poll_is_answered_when_ops_complete_the_process(api: Api, stack: Stack, correlation_id: str) -> None:
    api.start("never-ends", {}, correlation_id, prefer="respond-async")
    instance = eventually(lambda: api.status(correlation_id).body["processInstanceId"])
    with ThreadPoolExecutor(2) as pool:
        polled = pool.submit(api.status, correlation_id, prefer="wait=7")
        eventually(lambda: api.get("/health/ready").body["waitingRequests"] >= 1)

        done = api.call(
            "POST",
            "/api/process/complete",
            {"correlationId": correlation_id, "status": "ok", "data": {"by": "hand"}},
        )

    assert done.status == 200
    assert polled.result().status == 200
    assert polled.result().body["data"] == {"by": "hand"}
    engine = stack.environment.get("CAMUNDA_BASE_URL")
    eventually(lambda: requests.get(f"{engine}/process-instance/{instance}", timeout=10).status_code == 404)


def test_completing_twice_is_answered_alike_and_otherwise_conflicts(api: Api, correlation_id: str) -> None:
    api.start("never-ends", {}, correlation_id, prefer="respond-async")
    body = {"correlationId": correlation_id, "status": "error", "error": {"code": "X", "message": "gave up"}}

    first = api.call("POST", "/api/process/complete", body)
    again = api.call("POST", "/api/process/complete", body)
    other = api.call("POST", "/api/process/complete", {**body, "error": {"message": "something else"}})
    healed = api.call("POST", "/api/process/complete", {"correlationId": correlation_id, "status": "ok"})
    too_late = api.call("POST", "/api/process/complete", body)

    assert first.status == again.status == 200
    assert first.body["error"] == again.body["error"] == {"code": "X", "message": "gave up"}
    assert other.status == 409
    assert other.body["currentStatus"] == "error"
    assert (healed.status, healed.body["status"], healed.body["error"]) == (200, "ok", None)
    assert (too_late.status, too_late.body["currentStatus"]) == (409, "ok")


def test_wrong_completions_are_refused(api: Api, correlation_id: str) -> None:
    api.start("probe", {}, correlation_id)
    for body, status in (
        ({"correlationId": "nobody", "status": "ok"}, 404),
        ({"correlationId": correlation_id, "status": "fine"}, 422),
        ({"correlationId": correlation_id}, 422),
        ({"correlationId": correlation_id, "status": "ok", "error": {"message": "x"}}, 422),
        ({"correlationId": correlation_id, "status": "error", "error": {}}, 422),
    ):
        assert api.call("POST", "/api/process/complete", body).status == status, body


def test_event_log_is_paged(api: Api) -> None:
    trace = api.start("fan-out").body["traceabilityId"]

    first = api.get(f"/api/process/event-log/{trace}?limit=3").body
    rest = api.get(f"/api/process/event-log/{trace}?limit=3&cursor={first['nextCursor']}").body

    assert len(first["eventLog"]) == 3
    assert len(rest["eventLog"]) == 1
    assert rest["nextCursor"] is None


def test_ready_names_every_part(api: Api) -> None:
    answer = api.get("/health/ready")

    assert answer.status == 200
    assert answer.body["status"] == "ready"
    assert set(answer.body["parts"]) == {
        "database", "broker", "engine", "workers", "beat", "history", "processes", "deployments", "topics",
        "permissions",
    }  # fmt: skip
    assert answer.body["parts"]["topics"]["waiting"] == {}
    assert answer.body["parts"]["deployments"]["missing"] == []
    assert [worker["slots"] > 0 for worker in answer.body["parts"]["workers"]["workers"].values()] == [True]
    # Another client runs the step of this process.
    assert answer.body["topicsWithoutHandler"] == {"relay": ["make-offer"]}


def test_live_answers(api: Api) -> None:
    assert api.get("/health/live").status == 200
