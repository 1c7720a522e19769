"""The answers to a start: idempotency, invalid input, waiting."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.api import Api


def test_second_start_with_same_correlation_id_joins_the_first(api: Api, correlation_id: str) -> None:
    first = api.start("probe", {"do": "nothing"}, correlation_id)

    second = api.start("probe", {"do": "nothing"}, correlation_id)

    assert first.status == second.status == 200
    assert second.body == first.body
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"


def test_posts_with_one_idempotency_key_run_the_process_once(api: Api) -> None:
    key = str(uuid.uuid4())

    with ThreadPoolExecutor(6) as pool:
        started = [pool.submit(api.start, "probe", {"do": "nothing"}, **{"Idempotency-Key": key}) for _ in range(6)]
        answers = [future.result() for future in started]

    assert {answer.status for answer in answers} == {200}
    assert {answer.body["correlationId"] for answer in answers} == {key}
    assert len({answer.body["processInstanceId"] for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    steps = [event["stepName"] for event in api.events(answers[0].body["traceabilityId"])]
    assert len(steps) == len(set(steps)), "each step ran once"
    other = api.start("probe", {"do": "nothing", "more": 1}, **{"Idempotency-Key": key})
    assert (other.status, other.body["type"]) == (409, "/problems/correlation-id-conflict")
    wrong = api.start("probe", {"do": "nothing"}, **{"Idempotency-Key": "no good key"})
    assert (wrong.status, wrong.body["type"]) == (400, "/problems/invalid-idempotency-key")


def test_joining_a_running_process_waits_for_its_result(api: Api, correlation_id: str, tmp_path: Path) -> None:
    go = tmp_path / "go"
    variables = {"do": "hold", "until": str(go), "seconds": 2.5}
    assert api.start("probe", variables, correlation_id, prefer="respond-async").status == 202

    with ThreadPoolExecutor(4) as pool:
        joined = [pool.submit(api.start, "probe", variables, correlation_id) for _ in range(4)]
        go.touch()
        answers = [future.result() for future in joined]

    assert {answer.status for answer in answers} == {200}
    assert len({answer.body["processInstanceId"] for answer in answers}) == 1


def test_trace_of_the_caller_reaches_the_steps(api: Api) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert api.start("probe", {"do": "tell-trace"}, traceparent=trace).body["result"]["traceparent"] == trace
    for invalid in ("00-" + "0" * 32 + "-b7ad6b7169203331-01", "made up"):
        assert api.start("probe", {"do": "tell-trace"}, traceparent=invalid).body["result"]["traceparent"] is None


def test_other_content_under_the_same_correlation_id_conflicts(api: Api, correlation_id: str) -> None:
    api.start("probe", {"do": "nothing"}, correlation_id)

    other = api.start("probe", {"do": "nothing", "more": 1}, correlation_id)

    assert other.status == 409
    assert other.body["type"] == "/problems/correlation-id-conflict"
    assert other.body["statusUrl"] == f"/api/process/status/{correlation_id}"


def test_start_without_correlation_id_gets_a_new_one(api: Api) -> None:
    answer = api.start("probe")

    assert uuid.UUID(answer.body["correlationId"])


def test_labels_of_the_caller_are_kept(api: Api) -> None:
    trace = f"trace-{uuid.uuid4()}"

    answer = api.start(
        "probe", {}, None, **{"X-Traceability-Id": trace, "X-Batch-Id": "b-7", "X-Application-Id": "app"}
    )

    assert answer.body["traceabilityId"] == trace
    events = api.events(trace)
    assert {(event["batchId"], event["applicationId"]) for event in events} == {("b-7", "app")}


def test_client_variables_reach_the_steps_unchanged(api: Api) -> None:
    variables = {
        "text": "Zażółć gęślą jaźń 漢字 😀",
        "long": "x" * 5_000,
        "emoji": "😀" * 3_000,
        "nested": {"list": [1, 2.5, None, {"deep": ["ä", True]}], "empty": {}},
        "nothing": None,
        "yes": True,
        "most": 2**63 - 1,
        "least": -(2**63),
        "share": 0.1,
        "date": "0001-01-01T00:00:00.000+0000",
        "list": [],
    }

    answer = api.start("probe", variables)

    assert answer.status == 200
    result = answer.body["result"]
    assert {name: result[name] for name in variables} == variables


def test_one_megabyte_of_variables_comes_back(api: Api) -> None:
    blob = {"blob": ["0123456789" * 100] * 1_000}

    answer = api.start("probe", blob)

    assert answer.status == 200, str(answer.body)[:500]
    assert answer.body["result"]["blob"] == blob["blob"]


@pytest.mark.parametrize(
    ("body", "content_type", "status", "problem", "field"),
    [
        (b'{"processKey": ', "application/json", 400, "invalid-json", None),
        (b'{"processKey": "probe", "variables": {"n": NaN}}', "application/json", 400, "invalid-json", None),
        (b'{"processKey": "probe", "variables": {"s": "\\ud800"}}', "application/json", 400, "invalid-json", None),
        (b"[" * 100_000, "application/json", 400, "invalid-json", None),
        (b"[]", "application/json", 422, "invalid-fields", "body"),
        (b"{}", "application/json", 422, "invalid-fields", "processKey"),
        (b'{"processKey": 7}', "application/json", 422, "invalid-fields", "processKey"),
        (b'{"processKey": "probe", "corelationId": "x"}', "application/json", 422, "invalid-fields", "corelationId"),
        (b'{"processKey": "probe", "correlationId": "a b"}', "application/json", 422, "invalid-fields", "correlationId"),
        (b'{"processKey": "probe", "correlationId": "all"}', "application/json", 422, "invalid-fields", "correlationId"),
        (b'{"processKey": "probe", "variables": [1]}', "application/json", 422, "invalid-fields", "variables"),
        (b'{"processKey": "probe", "variables": {"n": 9223372036854775808}}', "application/json", 422, "invalid-fields", "variables"),
        (b'{"processKey": "probe", "variables": {"executionContext": {}}}', "application/json", 422, "invalid-fields", "variables"),
        (b'{"processKey": "onboard-user", "variables": {}}', "application/json", 422, "invalid-fields", "variables"),
        (b'{"processKey": "nobody-knows"}', "application/json", 404, "unknown-process", None),
        (b"processKey=probe", "application/x-www-form-urlencoded", 415, "unsupported-media-type", None),
        (b'{"processKey": "probe", "variables": {"s": "' + b"x" * 2_200_000 + b'"}}', "application/json", 413, "body-too-large", None),
    ],
)  # fmt: skip
def test_bad_input_gets_a_problem_that_names_the_field(
    api: Api, body: bytes, content_type: str, status: int, problem: str, field: str | None
) -> None:
    before = api.get("/api/process/status/all?limit=1").body["processes"]

    answer = api.call("POST", "/api/process/start", body, {"Content-Type": content_type})

    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.body["type"] == f"/problems/{problem}"
    assert answer.body["status"] == status
    if field is not None:
        assert field in answer.body["errors"]
    assert "Traceback" not in str(answer.body)
    assert api.get("/api/process/status/all?limit=1").body["processes"] == before


def test_every_missing_variable_is_named(api: Api) -> None:
    answer = api.start("onboard-user", {"userId": "u", "email": "no address", "surplus": 1})

    assert answer.status == 422
    assert set(answer.body["errors"]["variables"]) == {
        "email", "firstName", "lastName", "dateOfBirth", "country", "surplus",
    }  # fmt: skip


def test_past_the_limit_of_the_wait_the_answer_is_202(api: Api, correlation_id: str, tmp_path: Path) -> None:
    go = tmp_path / "go"

    answer = api.start("probe", {"do": "hold", "until": str(go), "seconds": 2.9}, correlation_id, prefer="wait=0")

    assert answer.status == 202
    assert answer.seconds < 2
    go.touch()
    assert api.wait_until_ended(correlation_id).body["status"] == "ok"


def test_malformed_preferences_are_ignored(api: Api) -> None:
    answer = api.start("probe", {}, None, prefer="wait=soon, handling;=;, wait")

    assert answer.status == 200
    assert "preference-applied" not in answer.headers


def test_the_api_documents_itself(api: Api) -> None:
    document = api.get("/openapi.json").body

    assert document["openapi"].startswith("3.1")
    assert {
        "/api/process/start", "/api/process/status/{correlation_id}", "/api/process/status/all",
        "/api/process/complete", "/api/process/event-log/{traceability_id}", "/health/live", "/health/ready",
    } <= set(document["paths"])  # fmt: skip
    page = api.get("/docs")
    assert page.status == 200
    assert "/docs/swagger-ui-bundle.js" in page.body
    assert api.get("/docs/swagger-ui-bundle.js").status == 200


def test_wrong_method_is_a_problem_that_names_the_right_one(api: Api) -> None:
    answer = api.get("/api/process/start")

    assert answer.status == 405
    assert answer.headers["content-type"] == "application/problem+json"
    assert "POST" in answer.headers["allow"]
