"""The steps of the example as plain functions, with the real stub of the partner."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from camunda_bridge import BusinessRuleError, PartnerClient, PartnerError, StepContext
from camunda_bridge.executor import BusinessError, Completed, execute
from dev.partner_stub import PartnerStub
from processes.onboard_user import steps
from processes.onboard_user.schemas import OnboardUser

CONTEXT = StepContext("order-1", "trace", "pi", "step", 1, "task-1")
USER = dict(steps.process.example)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[PartnerStub]:
    stub = PartnerStub(0)
    thread = threading.Thread(target=stub.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    client = PartnerClient(f"http://127.0.0.1:{stub.server_port}", timeout_ms=5_000)
    monkeypatch.setattr(steps, "partner", lambda: client)
    yield stub
    stub.shutdown()
    stub.server_close()
    thread.join(10)


def validated(**change: Any) -> dict[str, Any]:
    loaded: dict[str, Any] = OnboardUser().load({**USER, **change})
    return steps.validate_user_information(loaded)


def check(user_id: str, context: StepContext = CONTEXT) -> dict[str, Any]:
    return steps.run_background_check({"userId": user_id, "fullName": "A B", "country": "GB"}, context)


def onboarding(user_id: str) -> dict[str, Any]:
    return {"userId": user_id, "fullName": "A B", "email": "a@example.org", "checkId": "c"}


def test_example_is_a_valid_start() -> None:
    assert OnboardUser().validate(USER) == {}


def test_grown_up_user_is_valid() -> None:
    output = validated()
    assert output["userId"] == USER["userId"]
    assert output["fullName"] == "Ada Lovelace"
    assert output["age"] >= 35


def test_child_is_refused_with_its_age() -> None:
    with pytest.raises(BusinessRuleError) as refused:
        validated(dateOfBirth=f"{date.today().year - 10}-01-01")  # noqa: DTZ011
    assert refused.value.code == "USER_TOO_YOUNG"
    assert refused.value.details["age"] in (9, 10)


def test_user_of_the_future_is_refused() -> None:
    with pytest.raises(BusinessRuleError, match="must be 18"):
        validated(dateOfBirth="9999-12-31")


@pytest.mark.parametrize(
    ("born", "today", "age"),
    [
        (date(2000, 6, 15), date(2018, 6, 14), 17),
        (date(2000, 6, 15), date(2018, 6, 15), 18),
        (date(2000, 2, 29), date(2018, 2, 28), 17),
        (date(2000, 2, 29), date(2018, 3, 1), 18),
        (date(2000, 12, 31), date(2001, 1, 1), 0),
    ],
)
def test_age_is_counted_in_whole_years(born: date, today: date, age: int) -> None:
    assert steps._age(born, today) == age


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("userId", ""),
        ("userId", None),
        ("userId", 5),
        ("userId", "x" * 101),
        ("email", "none"),
        ("firstName", ""),
        ("dateOfBirth", "yesterday"),
        ("dateOfBirth", "2000-13-01"),
        ("country", "gb"),
        ("country", "GBR"),
        ("country", "GB\n"),
        ("surplus", 1),
    ],
)
def test_wrong_variables_of_a_start_are_named(name: str, value: Any) -> None:
    assert list(OnboardUser().validate({**USER, name: value})) == [name]


@pytest.mark.usefixtures("stub")
def test_approved_user_passes_the_check() -> None:
    assert check("u-1") == {"checkId": "chk-u-1", "riskLevel": "low"}


@pytest.mark.usefixtures("stub")
@pytest.mark.parametrize(("user_id", "code"), [("reject-1", "BACKGROUND_CHECK_REJECTED"), ("risk-1", "HIGH_RISK_USER")])
def test_refused_user_is_a_business_error_with_the_check(user_id: str, code: str) -> None:
    with pytest.raises(BusinessRuleError) as refused:
        check(user_id)
    assert refused.value.code == code
    assert refused.value.details == {"checkId": f"chk-{user_id}"}


@pytest.mark.usefixtures("stub")
@pytest.mark.parametrize(("user_id", "status"), [("fail-1", 503), ("teapot-1", 418), ("garbage-1", 200)])
def test_partner_in_trouble_is_no_business_error(user_id: str, status: int) -> None:
    with pytest.raises(PartnerError) as failed:
        check(user_id)
    assert failed.value.status == status


def test_next_attempt_has_no_second_effect(stub: PartnerStub) -> None:
    for attempt in (1, 2, 3):
        output = steps.call_onboarding_api(onboarding("u-1"), replace(CONTEXT, attempt=attempt))
        assert output == {"customerId": "cus-u-1", "accountId": "acc-u-1"}
    assert len(stub.effects.of_user("u-1")) == 1


def test_another_process_has_an_effect_of_its_own(stub: PartnerStub) -> None:
    steps.call_onboarding_api(onboarding("u-1"), CONTEXT)
    steps.call_onboarding_api(onboarding("u-1"), replace(CONTEXT, idempotency_key="task-2"))
    assert len(stub.effects.of_user("u-1")) == 2


def test_response_contains_what_was_created() -> None:
    given = {"userId": "u", "customerId": "c", "accountId": "a", "riskLevel": "low"}
    assert steps.prepare_response(given) == {**given, "message": "user u is onboarded"}


def run(name: str, values: dict[str, Any]) -> Any:
    return execute(steps.process.steps[f"onboard-user.{name}"], values, CONTEXT).outcome


def test_error_of_a_step_is_the_process_s_error() -> None:
    left = {"userId": "u", "errorCode": "E", "errorMessage": "m", "errorType": "T", "errorDetails": {"n": 1}}
    outcome = run("handle-error", left)
    assert isinstance(outcome, Completed)
    assert outcome.document == {"code": "E", "message": "m", "type": "T", "details": {"n": 1}, "userId": "u"}


@pytest.mark.parametrize("left", [{}, {"userId": None, "errorCode": None, "errorMessage": None, "errorDetails": None}])
def test_error_without_variables_still_has_a_code_and_a_message(left: dict[str, Any]) -> None:
    outcome = run("handle-error", left)
    assert isinstance(outcome, Completed)
    assert outcome.document["code"] == "UNKNOWN_ERROR"
    assert outcome.document["message"]


@pytest.mark.usefixtures("stub")
def test_steps_feed_each_other() -> None:
    values = dict(USER)
    for name in ("validate-user-information", "run-background-check", "call-onboarding-api", "prepare-response"):
        outcome = run(name, values)
        assert isinstance(outcome, Completed), outcome
        values |= outcome.document
    assert values["message"] == "user user-1001 is onboarded"


def test_step_with_missing_input_is_a_business_error() -> None:
    outcome = run("run-background-check", {"userId": "u"})
    assert isinstance(outcome, BusinessError)
    assert set(outcome.details["errors"]) == {"fullName", "country"}
