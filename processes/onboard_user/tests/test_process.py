"""Tests every path through the diagram, with simulated partner services."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytest_httpserver import HTTPServer

from camunda_bridge import BusinessRuleError, PartnerClient
from processes.onboard_user import steps
from processes.onboard_user.steps import process
from testkit import ProcessRun

APPROVED = {"decision": "approved", "riskLevel": "low", "checkId": "chk-1"}


@pytest.fixture(autouse=True)
def partner(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> HTTPServer:
    """The partner services; requests that a test doesn't define are answered 500."""
    client = PartnerClient(httpserver.url_for(""), retries=0)
    monkeypatch.setattr(steps, "partner", lambda: client)
    return httpserver


def test_good_user_is_onboarded(run_process: Callable[..., ProcessRun], partner: HTTPServer) -> None:
    partner.expect_request("/background-checks", method="POST").respond_with_json(APPROVED)
    partner.expect_request("/onboarding", method="POST").respond_with_json({"customerId": "c-1", "accountId": "a-1"})

    run = run_process(process, process.example)

    assert run.status == "ok", run
    assert run.result is not None
    assert run.result["customerId"] == "c-1"
    assert run.path[0] == "user-submitted"
    assert run.path[-1] == "user-onboarded"
    assert "handle-error" not in run.path
    assert run.steps == ["validate-user-information", "run-background-check", "call-onboarding-api", "prepare-response"]
    assert run.variables["checkId"] == "chk-1"
    assert [event.http_status_code for event in run.events] == [None, 200, 200, None]


def test_rejected_user_ends_in_the_error_path(run_process: Callable[..., ProcessRun], partner: HTTPServer) -> None:
    partner.expect_request("/background-checks").respond_with_json({**APPROVED, "decision": "rejected"})

    run = run_process(process, process.example)

    assert (run.status, run.path[-1]) == ("error", "user-refused"), run
    assert run.error is not None
    assert (run.error["code"], run.error["details"]) == ("BACKGROUND_CHECK_REJECTED", {"checkId": "chk-1"})
    assert [event.phase for event in run.events] == ["completed", "bpmn-error", "completed"]


def test_replaced_handler_decides_which_way_is_taken(run_process: Callable[..., ProcessRun]) -> None:
    run = run_process(
        process, process.example, replace={"run-background-check": BusinessRuleError("HIGH_RISK_USER", "too high")}
    )
    assert run.error is not None
    assert run.error["code"] == "HIGH_RISK_USER"


def test_partner_that_stays_away_ends_in_an_incident_and_a_retry_heals_it(
    run_process: Callable[..., ProcessRun], partner: HTTPServer
) -> None:
    partner.expect_request("/background-checks").respond_with_json({}, status=500)
    run = run_process(process, process.example, replace={"call-onboarding-api": {"customerId": "c", "accountId": "a"}})
    assert run.status == "incident"
    assert [(event.phase, event.attempt) for event in run.events[1:]] == [("failed", n) for n in (1, 2, 3, 4)]

    partner.clear()
    partner.expect_request("/background-checks").respond_with_json(APPROVED)

    assert run.retry().status == "ok", run
