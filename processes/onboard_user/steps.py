"""The steps of `onboard-user`, in the order of the diagram."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from camunda_bridge import BusinessRuleError, StepContext, define_process
from processes.business_error import error_document
from processes.onboard_user import schemas
from processes.partners import partner

process = define_process(
    "onboard-user",
    start_schema=schemas.OnboardUser,
    process_name="User onboarding",
    example={
        "userId": "user-1001",
        "email": "ada@example.org",
        "firstName": "Ada",
        "lastName": "Lovelace",
        "dateOfBirth": "1990-12-10",
        "country": "GB",
    },
)

#: lowest age of a user, in years
MINIMUM_AGE = 18


@process.step(
    "validate-user-information",
    order=1,
    input_schema=schemas.UserInformation,
    output_schema=schemas.ValidatedUser,
    success="user information is valid",
    error="user information is not valid",
    target_system="celery-camunda",
)
def validate_user_information(user: dict[str, Any]) -> dict[str, Any]:
    """Check the data of the user; a user who is too young ends the process in a business error."""
    age = _age(user["dateOfBirth"], datetime.now(UTC).date())
    if age < MINIMUM_AGE:
        raise BusinessRuleError("USER_TOO_YOUNG", f"the user must be {MINIMUM_AGE}, not {age}", {"age": age})
    return {"userId": user["userId"], "fullName": f"{user['firstName']} {user['lastName']}", "age": age}


@process.step(
    "run-background-check",
    order=2,
    input_schema=schemas.BackgroundCheck,
    output_schema=schemas.BackgroundCheckResult,
    http_method="POST",
    endpoint="/background-checks",
    success="background check passed",
    error="background check not passed",
    target_system="background-check-service",
)
def run_background_check(user: dict[str, Any], context: StepContext) -> dict[str, Any]:
    """Call the background check service; a rejected user ends the process in a business error."""
    body = {"userId": user["userId"], "fullName": user["fullName"], "country": user["country"]}
    check = partner().post("/background-checks", body, idempotency_key=context.idempotency_key)
    if check["decision"] != "approved":
        raise BusinessRuleError(
            "BACKGROUND_CHECK_REJECTED", "the background check was not passed", {"checkId": check["checkId"]}
        )
    if check["riskLevel"] == "high":
        raise BusinessRuleError("HIGH_RISK_USER", "the risk is too high", {"checkId": check["checkId"]})
    return {"checkId": check["checkId"], "riskLevel": check["riskLevel"]}


@process.step(
    "call-onboarding-api",
    order=3,
    input_schema=schemas.Onboarding,
    output_schema=schemas.OnboardingResult,
    http_method="POST",
    endpoint="/onboarding",
    success="user is onboarded",
    error="user could not be onboarded",
    target_system="onboarding-service",
)
def call_onboarding_api(user: dict[str, Any], context: StepContext) -> dict[str, Any]:
    """Create customer and account. With the idempotency key, a repeated call doesn't create them twice."""
    created = partner().post("/onboarding", user, idempotency_key=context.idempotency_key)
    return {"customerId": created["customerId"], "accountId": created["accountId"]}


@process.step(
    "prepare-response",
    order=4,
    input_schema=schemas.Response,
    outcome="ok",
    success="response is ready",
    error="response could not be prepared",
    target_system="celery-camunda",
)
def prepare_response(user: dict[str, Any]) -> dict[str, Any]:
    """Make the result for the client."""
    return {**user, "message": f"user {user['userId']} is onboarded"}


@process.step(
    "handle-error",
    order=5,
    input_schema=schemas.OnboardingError,
    outcome="error",
    success="error is handled",
    error="error could not be handled",
    target_system="celery-camunda",
)
def handle_error(failure: dict[str, Any]) -> dict[str, Any]:
    """Make the error for the client: the broken rule, and the user."""
    return error_document(failure, "the user could not be onboarded") | {"userId": failure["userId"]}


def _age(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))
