"""The steps of `loan-approval`, in the order of the diagram."""

from __future__ import annotations

from typing import Any

from camunda_bridge import BusinessRuleError, StepContext, define_process
from processes.business_error import error_document
from processes.loan_approval import rules, schemas
from processes.partners import partner

process = define_process(
    "loan-approval",
    start_schema=schemas.Application,
    process_name="Loan approval",
    identifiers=("customerId", "loanId"),
    example={
        "loanId": "loan-1001",
        "customerId": "cus-1001",
        "amount": 12_000,
        "termMonths": 48,
        "monthlyIncome": 3_200,
        "iban": "GB33BUKB20201555555555",
    },
)


@process.step(
    "check-credit",
    order=1,
    input_schema=schemas.Applicant,
    output_schema=schemas.CreditReport,
    http_method="POST",
    endpoint="/credit-reports",
    success="credit is checked",
    error="credit could not be checked",
    target_system="credit-bureau",
)
def check_credit(applicant: dict[str, Any], context: StepContext) -> dict[str, Any]:
    """Request a report from the credit bureau. Each report costs money; the idempotency key prevents a second one."""
    report = partner().post("/credit-reports", applicant, idempotency_key=context.idempotency_key)
    return {"reportId": report["reportId"], "creditScore": report["score"]}


@process.step(
    "assess-risk",
    order=2,
    input_schema=schemas.Risk,
    output_schema=schemas.Assessment,
    success="risk is assessed",
    error="loan is declined",
    target_system="celery-camunda",
)
def assess_risk(loan: dict[str, Any]) -> dict[str, Any]:
    """Apply the decision table; a declined application ends in a business error."""
    instalment = rules.instalment(loan["amount"], loan["termMonths"])
    rule = rules.decide(loan["creditScore"], instalment / loan["monthlyIncome"], loan["amount"])
    if rule.decision == "decline":
        raise BusinessRuleError("LOAN_DECLINED", rule.reason, {"decidedBy": f"rule:{rule.name}"})
    return {"decision": rule.decision, "decidedBy": f"rule:{rule.name}", "instalment": instalment}


@process.step(
    "request-review",
    order=3,
    input_schema=schemas.ReviewRequest,
    output_schema=schemas.Review,
    http_method="POST",
    endpoint="/reviews",
    success="review is requested",
    error="review could not be requested",
    target_system="loan-desk",
)
def request_review(loan: dict[str, Any], context: StepContext) -> dict[str, Any]:
    """Request a review from a loan officer, with the correlation id to which the decision must be sent."""
    body = {**loan, "correlationId": context.correlation_id}
    review = partner().post("/reviews", body, idempotency_key=context.idempotency_key)
    return {"reviewId": review["reviewId"]}


@process.step(
    "record-decision",
    order=4,
    input_schema=schemas.Decision,
    output_schema=schemas.DecisionRecord,
    # A boundary event of this step catches it: an invalid decision doesn't end the process, it is requested again.
    invalid_input_code="DECISION_INVALID",
    success="loan officer has approved",
    error="loan officer has not approved",
    target_system="celery-camunda",
)
def record_decision(decision: dict[str, Any]) -> dict[str, Any]:
    """Record the decision of the officer; a refusal ends in a business error."""
    verdict = decision["verdict"]
    decided_by = f"officer:{verdict['officer']}"
    if not verdict["approved"]:
        details = {"decidedBy": decided_by, "comment": verdict["comment"]}
        raise BusinessRuleError("LOAN_DECLINED", "a loan officer has declined", details)
    return {"decidedBy": decided_by}


@process.step(
    "pay-out",
    order=5,
    input_schema=schemas.Payout,
    output_schema=schemas.PayoutResult,
    http_method="POST",
    endpoint="/payouts",
    success="loan is paid out",
    error="loan could not be paid out",
    target_system="payment-service",
)
def pay_out(loan: dict[str, Any], context: StepContext) -> dict[str, Any]:
    """Pay out the loan. With the idempotency key, a repeated call doesn't pay twice."""
    payout = partner().post("/payouts", loan, idempotency_key=context.idempotency_key)
    return {"payoutId": payout["payoutId"]}


@process.step(
    "prepare-response",
    order=6,
    input_schema=schemas.Response,
    outcome="ok",
    success="response is ready",
    error="response could not be prepared",
    target_system="celery-camunda",
)
def prepare_response(loan: dict[str, Any]) -> dict[str, Any]:
    """Make the result for the client."""
    return {**loan, "message": f"loan {loan['loanId']} is paid out"}


@process.step(
    "handle-error",
    order=7,
    input_schema=schemas.LoanError,
    outcome="error",
    success="error is handled",
    error="error could not be handled",
    target_system="celery-camunda",
)
def handle_error(failure: dict[str, Any]) -> dict[str, Any]:
    """Make the error for the client: the reason why there is no loan, and who decided it."""
    return error_document(failure, "the loan could not be granted") | {"loanId": failure["loanId"]}
