"""Paths that a process may have: parallel, asynchronous, called, with a timer, with errors and incidents."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from dev.stack import Stack
from tests.support.api import Api, eventually


def test_parallel_branches_all_run_and_their_identifiers_meet(api: Api) -> None:
    answer = api.start("fan-out")

    assert answer.status == 200, answer.body
    assert answer.body["result"] == {"customerId": "c-1", "orderId": "o-1", "accountId": "a-1"}
    status = api.status(answer.body["correlationId"])
    assert status.body["identifiers"] == {"customerId": "c-1", "orderId": "o-1", "accountId": "a-1"}
    assert len(api.events(answer.body["traceabilityId"])) == 4


def test_process_without_response_step_answers_with_its_variables(api: Api) -> None:
    answer = api.start("async-chain", {"given": "x"})

    assert answer.status == 200, answer.body
    assert answer.body["result"] == {"given": "x", "one": 1, "two": 2}


def test_process_without_steps_ends_at_once(api: Api) -> None:
    answer = api.start("stepless", {"given": 1})

    assert answer.status == 200, answer.body
    assert answer.body["result"] == {"given": 1, "noted": True}


def test_error_end_event_is_a_business_error(api: Api) -> None:
    answer = api.start("error-end")

    assert answer.status == 422, answer.body
    assert answer.body["error"]["message"] == "refused by the diagram"


def test_steps_of_a_called_process_belong_to_the_caller(api: Api) -> None:
    answer = api.start("caller", {"given": 1})

    assert answer.status == 200, answer.body
    assert answer.body["result"] == {"before": "done", "inner": "done"}
    assert [event["stepName"] for event in api.events(answer.body["traceabilityId"])] == ["before", "inner", "after"]


def test_step_behind_a_timer_is_found_by_the_poll(api: Api) -> None:
    answer = api.start("waits-for-timer", {}, None, prefer="respond-async")

    assert api.wait_until_ended(answer.body["correlationId"]).body["data"] == {"after": True}


def test_process_goes_on_at_the_boundary_event_that_catches_its_business_error(api: Api) -> None:
    answer = api.start("probe", {"do": "refuse"})

    assert answer.status == 422, answer.body
    assert answer.body["error"] == {"code": "CAUGHT", "message": "told to refuse", "details": {"why": "test"}}


def test_business_error_that_nothing_catches_is_an_incident_not_a_silent_end(api: Api) -> None:
    answer = api.start("probe", {"do": "refuse-uncaught"})

    assert answer.status == 500, answer.body
    assert answer.body["type"] == "/problems/process-error"
    assert "NOBODY_CATCHES_THIS" in answer.body["error"]["message"]


def test_failed_attempt_is_retried(api: Api, tmp_path: Path) -> None:
    notes = tmp_path / "notes"

    answer = api.start("probe", {"do": "fail-once", "notes": str(notes)})

    assert answer.status == 200, answer.body
    assert answer.body["result"]["attempt"] == 2
    begun = [line.split() for line in notes.read_text().splitlines() if line.startswith("begin")]
    assert [line[3] for line in begun] == ["1", "2"]
    assert len({line[2] for line in begun}) == 1, "the idempotency key is the same in all attempts"
    phases = [event["phase"] for event in api.events(answer.body["traceabilityId"])]
    assert phases == ["failed", "completed", "completed"]


def test_waiting_client_gets_the_incident_after_the_last_retry(api: Api) -> None:
    answer = api.start("probe", {"do": "fail"})

    assert answer.status == 500, answer.body
    assert answer.body["type"] == "/problems/process-error"
    assert answer.body["error"]["message"] == "RuntimeError: told to fail"
    status = api.get(answer.body["statusUrl"])
    assert status.body["incidentId"]


def test_process_retried_in_the_engine_becomes_ok(api: Api, stack: Stack, tmp_path: Path) -> None:
    answer = api.start("probe", {"do": "fail"})
    assert answer.status == 500
    engine = stack.environment.get("CAMUNDA_BASE_URL")
    instance = answer.body["processInstanceId"]
    modified = requests.post(
        f"{engine}/process-instance/{instance}/variables",
        json={"modifications": {"do": {"type": "String", "value": "nothing"}}},
        timeout=10,
    )
    assert modified.status_code == 204
    (task,) = requests.get(f"{engine}/external-task", params={"processInstanceId": instance}, timeout=10).json()

    requests.put(f"{engine}/external-task/{task['id']}/retries", json={"retries": 1}, timeout=10).raise_for_status()

    healed = eventually(lambda: api.get(answer.body["statusUrl"]).body["status"] == "ok")
    assert healed


def test_process_retried_through_the_api_becomes_ok(api: Api, stack: Stack, tmp_path: Path) -> None:
    answer = api.start("probe", {"do": "fail"})
    correlation_id = answer.body["correlationId"]
    engine = stack.environment.get("CAMUNDA_BASE_URL")
    requests.post(
        f"{engine}/process-instance/{answer.body['processInstanceId']}/variables",
        json={"modifications": {"do": {"type": "String", "value": "nothing"}}},
        timeout=10,
    ).raise_for_status()

    retried = api.call("POST", f"/api/process/{correlation_id}/retry")
    ended = api.wait_until_ended(correlation_id)
    again = api.call("POST", f"/api/process/{correlation_id}/retry")

    assert retried.status == 200
    assert retried.body["status"] in ("pending", "ok")
    assert (ended.body["status"], ended.body["error"], ended.body["incidentId"]) == ("ok", None, None)
    assert (again.status, again.body["type"]) == (409, "/problems/no-incident")
    assert api.start("probe", {"do": "fail"}, correlation_id).body["result"]["attempt"] == 4
    ops = [event for event in api.events(answer.body["traceabilityId"]) if event["phase"] == "ops"]
    assert [(event["stepName"], event["actor"]) for event in ops] == [("retry", "api")]


def test_incident_of_the_engines_own_job_reaches_the_client(api: Api) -> None:
    answer = api.start("failing-job")

    assert answer.status == 500, answer.body
    assert answer.body["error"]["type"] == "incident"


@pytest.mark.parametrize(
    ("process", "do", "why"),
    [
        ("isolated", "crash", "WorkerLostError: the process of the handler ended: killed by signal 9"),
        ("isolated", "eat-memory", "MemoryError"),
        ("isolated", "spin", "TimeLimitExceeded: the handler ran longer than its time limit of 3 s"),
        ("isolated", "hang", "TimeLimitExceeded: the handler ran longer than its time limit of 3 s"),
        ("probe", "spin", "TimeLimitExceeded: the handler ran longer than its time limit of 3 s"),
        ("probe", "hang", "TimeLimitExceeded: the handler hangs beyond its time limit of 3 s"),
    ],
)
def test_handler_that_does_not_return_is_a_failed_attempt(api: Api, process: str, do: str, why: str) -> None:
    answer = api.start(process, {"do": do}, None, prefer="respond-async")

    ended = api.wait_until_ended(answer.body["correlationId"], timeout_s=90)

    assert ended.body["status"] == "error"
    assert ended.body["error"]["type"] == "incident"
    phases = [event["phase"] for event in api.events(answer.body["traceabilityId"])]
    assert phases == ["failed"] * 3, "the first attempt and two retries"
    assert ended.body["error"]["message"].startswith(why)


def test_instance_deleted_in_the_engine_is_cancelled(api: Api, stack: Stack, correlation_id: str) -> None:
    answer = api.start("never-ends", {}, correlation_id, prefer="respond-async")
    assert answer.status == 202
    instance = eventually(lambda: api.status(correlation_id).body["processInstanceId"])
    engine = stack.environment.get("CAMUNDA_BASE_URL")

    requests.delete(f"{engine}/process-instance/{instance}", timeout=10).raise_for_status()

    ended = api.wait_until_ended(correlation_id)
    assert ended.body["status"] == "cancelled"
    joined = api.start("never-ends", {}, correlation_id)
    assert joined.status == 409
    assert joined.body["type"] == "/problems/process-cancelled"
