"""The example process with real gunicorn, real workers, a real engine and real HTTP partners."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.api import Api, eventually

User = Callable[..., dict[str, Any]]

STEPS = ["validate-user-information", "run-background-check", "call-onboarding-api", "prepare-response"]


def test_start_answers_200_with_the_result(api: Api, user: User, correlation_id: str) -> None:
    variables = user()

    answer = api.start("onboard-user", variables, correlation_id)

    assert answer.status == 200, answer.body
    assert answer.body["status"] == "ok"
    assert answer.body["correlationId"] == correlation_id
    assert answer.body["processInstanceId"]
    assert answer.body["result"] == {
        "userId": variables["userId"],
        "customerId": f"cus-{variables['userId']}",
        "accountId": f"acc-{variables['userId']}",
        "riskLevel": "low",
        "message": f"user {variables['userId']} is onboarded",
    }


def test_each_step_leaves_one_completed_event_in_order(api: Api, user: User) -> None:
    variables = user()
    answer = api.start("onboard-user", variables)

    events = api.events(answer.body["traceabilityId"])

    assert [event["stepName"] for event in events] == STEPS
    assert {event["phase"] for event in events} == {"completed"}
    check = events[1]
    assert check["httpStatusCode"] == 200
    assert check["httpMethod"] == "POST"
    assert check["endpoint"] == "/background-checks"
    assert check["targetSystem"] == "background-check-service"
    assert check["processName"] == "User onboarding"
    assert check["result"] == "background check passed"
    assert check["businessActionRequest"]["userId"] == variables["userId"]
    assert check["businessActionResponse"]["riskLevel"] == "low"
    assert events[2]["httpStatusCode"] == 201
    assert events[3]["identifiers"] == {
        "userId": variables["userId"],
        "customerId": f"cus-{variables['userId']}",
        "accountId": f"acc-{variables['userId']}",
    }


@pytest.mark.parametrize(
    ("kind", "changes", "code"),
    [
        ("reject", {}, "BACKGROUND_CHECK_REJECTED"),
        ("risk", {}, "HIGH_RISK_USER"),
        ("user", {"dateOfBirth": "2020-01-01"}, "USER_TOO_YOUNG"),
    ],
)
def test_business_error_answers_422_process_failed(
    api: Api, user: User, correlation_id: str, kind: str, changes: dict[str, str], code: str
) -> None:
    answer = api.start("onboard-user", user(kind, **changes), correlation_id)

    assert answer.status == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.body["type"] == "/problems/process-failed"
    assert answer.body["error"]["code"] == code
    assert answer.body["correlationId"] == correlation_id
    status = api.get(answer.body["statusUrl"])
    assert status.status == 200
    assert status.body["status"] == "error"
    assert status.body["error"]["code"] == code
    phases = [(event["stepName"], event["phase"]) for event in api.events(answer.body["traceabilityId"])]
    assert phases[-1] == ("handle-error", "completed")
    assert phases[-2][1] == "bpmn-error"


def test_slow_partner_answers_202_and_polling_ends_in_200(api: Api, user: User, correlation_id: str) -> None:
    answer = api.start("onboard-user", user("slow-700ms"), correlation_id, prefer="wait=1")

    assert answer.status == 202, answer.body
    assert answer.body["status"] == "pending"
    assert answer.headers["location"] == f"/api/process/status/{correlation_id}"
    assert answer.headers["preference-applied"] == "wait=1"
    assert int(answer.headers["retry-after"]) >= 1
    first = api.get(answer.headers["location"])
    assert first.status in (200, 202)
    ended = api.wait_until_ended(correlation_id)
    assert ended.body["status"] == "ok"
    again = api.start("onboard-user", {**ended.body["data"], "no": "match"}, correlation_id)
    assert again.status in (409, 422)
    assert ended.body["data"]["message"].endswith("is onboarded")


def test_partner_that_is_unavailable_twice_is_called_again_within_one_attempt(api: Api, user: User) -> None:
    answer = api.start("onboard-user", user("flaky"))

    assert answer.status == 200, answer.body
    assert len(api.events(answer.body["traceabilityId"])) == len(STEPS)


def test_step_whose_partner_answers_garbage_is_retried_and_ends_in_an_incident(
    api: Api, user: User, correlation_id: str
) -> None:
    answer = api.start("onboard-user", user("garbage"), correlation_id, prefer="respond-async")
    assert answer.status == 202

    events = eventually(
        lambda: [
            event for event in api.events(answer.body["traceabilityId"]) if event["stepName"] == "run-background-check"
        ],
        what="a first attempt of the check",
    )
    assert events[0]["phase"] in ("started", "failed")
    ended = api.wait_until_ended(correlation_id, timeout_s=90)

    assert ended.body["status"] == "error"
    assert ended.body["error"]["type"] == "incident"
    assert ended.body["incidentId"]
    attempts = [event for event in api.events(answer.body["traceabilityId"]) if event["phase"] == "failed"]
    assert len(attempts) == 4  # the first and three retries
    assert "without JSON" in attempts[0]["businessActionResponse"]["message"]
    assert "PartnerError" in attempts[0]["errorDetails"]
