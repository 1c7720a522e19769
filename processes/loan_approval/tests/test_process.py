"""Tests every path through the diagram, with simulated partner services."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from camunda_bridge import PartnerClient
from processes.loan_approval import steps
from processes.loan_approval.steps import process
from testkit import ProcessRun

Run = Callable[..., ProcessRun]

TO_THE_OFFICER = ["check-credit", "assess-risk", "request-review"]


@pytest.fixture(autouse=True)
def partner(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> HTTPServer:
    """The partner services except the credit bureau; all other requests are answered 500."""
    client = PartnerClient(httpserver.url_for(""), retries=0)
    monkeypatch.setattr(steps, "partner", lambda: client)
    httpserver.expect_request("/reviews", method="POST").respond_with_json({"reviewId": "rev-1"})
    httpserver.expect_request("/payouts", method="POST").respond_with_json({"payoutId": "out-1"})
    return httpserver


def score_is(partner: HTTPServer, score: int) -> None:
    partner.expect_request("/credit-reports").respond_with_json({"reportId": "rep-1", "score": score})


def body_of(partner: HTTPServer, path: str) -> Any:
    [body] = [json.loads(request.data) for request, _ in partner.log if request.path == path]
    return body


def awaits_officer(run_process: Run, partner: HTTPServer) -> ProcessRun:
    score_is(partner, 640)
    run = run_process(process, process.example)
    assert (run.status, run.waiting_at) == ("waiting", ["await-decision"]), run
    return run


def decide(run: ProcessRun, **verdict: Any) -> ProcessRun:
    return run.message("loan-decision", {"verdict": verdict})


def test_clear_case_is_approved_by_rule_and_paid_out(run_process: Run, partner: HTTPServer) -> None:
    score_is(partner, 780)

    run = run_process(process, process.example)

    assert run.status == "ok", run
    assert run.result == {
        "loanId": "loan-1001",
        "amount": 12_000,
        "instalment": 281.82,
        "decidedBy": "rule:small-and-safe",
        "payoutId": "out-1",
        "message": "loan loan-1001 is paid out",
    }
    assert run.steps == ["check-credit", "assess-risk", "pay-out", "prepare-response"]
    assert "await-decision" not in run.path
    assert run.path[-1] == "loan-granted"
    assert body_of(partner, "/payouts") == {"loanId": "loan-1001", "amount": 12_000, "iban": "GB33BUKB20201555555555"}


def test_poor_score_is_declined_by_rule_and_nothing_is_paid(run_process: Run, partner: HTTPServer) -> None:
    score_is(partner, 420)

    run = run_process(process, process.example)

    assert (run.status, run.path[-1]) == ("error", "application-refused"), run
    assert run.error == {
        "code": "LOAN_DECLINED",
        "message": "the credit score is too low",
        "type": "BusinessRuleError",
        "details": {"decidedBy": "rule:low-score"},
        "loanId": "loan-1001",
    }
    assert run.steps == ["check-credit", "assess-risk", "handle-error"]


def test_open_case_waits_for_a_loan_officer_who_approves(run_process: Run, partner: HTTPServer) -> None:
    run = awaits_officer(run_process, partner)
    review = body_of(partner, "/reviews")
    assert (review["correlationId"], review["creditScore"]) == (run.correlation_id, 640)

    decide(run, approved=True, officer="grace")

    assert run.status == "ok", run
    assert run.result is not None
    assert run.result["decidedBy"] == "officer:grace"
    assert run.steps == [*TO_THE_OFFICER, "record-decision", "pay-out", "prepare-response"]


def test_loan_officer_may_decline_with_a_comment(run_process: Run, partner: HTTPServer) -> None:
    run = awaits_officer(run_process, partner)

    decide(run, approved=False, officer="grace", comment="no proof of income")

    assert run.status == "error", run
    assert run.error is not None
    assert run.error["code"] == "LOAN_DECLINED"
    assert run.error["details"] == {"decidedBy": "officer:grace", "comment": "no proof of income"}
    assert run.steps == [*TO_THE_OFFICER, "record-decision", "handle-error"]


@pytest.mark.parametrize("verdict", [{"approved": True}, {"approved": "perhaps", "officer": "grace"}, {}])
def test_decision_that_cannot_be_read_is_asked_for_again(
    run_process: Run, partner: HTTPServer, verdict: dict[str, Any]
) -> None:
    run = awaits_officer(run_process, partner)

    decide(run, **verdict)

    assert (run.status, run.waiting_at) == ("waiting", ["await-decision"]), run
    assert "decision-invalid" in run.path
    # The approval in the first message must not count for a second message without one.
    decide(run, officer="grace")
    assert run.status == "waiting", run
    assert decide(run, approved=True, officer="grace").status == "ok", run
    assert [event.phase for event in run.events if event.step == "record-decision"] == [
        "bpmn-error",
        "bpmn-error",
        "completed",
    ]


def test_application_expires_when_nobody_decides(run_process: Run, partner: HTTPServer) -> None:
    run = awaits_officer(run_process, partner)

    run.fire_timer("decision-overdue")

    assert (run.status, run.path[-1]) == ("error", "application-refused"), run
    assert "application-expired" in run.path
    assert run.error is not None
    assert (run.error["code"], run.error["message"]) == ("DECISION_OVERDUE", "no loan officer decided in time")


def test_payout_that_fails_is_tried_again_with_the_same_key(run_process: Run, partner: HTTPServer) -> None:
    partner.clear()
    score_is(partner, 780)
    partner.expect_oneshot_request("/payouts").respond_with_json({}, status=500)

    # One failed payout, and then an unavailable service, until no retry is left.
    run = run_process(process, process.example)
    assert run.status == "incident", run
    partner.expect_request("/payouts").respond_with_json({"payoutId": "out-1"})
    assert run.retry().status == "ok", run

    keys = [request.headers["Idempotency-Key"] for request, _ in partner.log if request.path == "/payouts"]
    assert (len(keys), len(set(keys))) == (5, 1)
