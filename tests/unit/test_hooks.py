"""Hooks of authors around the handler of one step, or of every step of a process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from marshmallow import Schema, fields

from camunda_bridge.check.error_rule import codes_of
from camunda_bridge.context import StepContext
from camunda_bridge.definition import define_process
from camunda_bridge.errors import BusinessRuleError
from camunda_bridge.executor import BusinessError, Completed, Failed, Outcome, execute

CONTEXT = StepContext("c", "t", "i", "charge", 1, "k")

Hook = Callable[[Any, StepContext], Any]


@pytest.fixture
def seen() -> list[str]:
    return []


def noting(seen: list[str], name: str, returned: Any = None) -> Hook:
    def hook(_it: Any, context: StepContext) -> Any:
        assert context is CONTEXT
        seen.append(name)
        return returned

    return hook


def outcome_of(process: Any, given: dict[str, Any] | None = None) -> Outcome:
    (step,) = process.steps.values()
    return execute(step, given or {}, CONTEXT).outcome


def test_hooks_of_the_process_surround_those_of_the_step(seen: list[str]) -> None:
    process = define_process("order", before=[noting(seen, "process before")], after=[noting(seen, "process after")])
    step = {"before": [noting(seen, "step before")], "after": [noting(seen, "step after")]}
    process.step("charge", **step)(lambda _given: seen.append("handler"))
    assert outcome_of(process) == Completed({}, {})
    assert seen == ["process before", "step before", "handler", "step after", "process after"]


def test_what_before_and_after_return_takes_the_place_of_input_and_output(seen: list[str]) -> None:
    process = define_process("order", before=[noting(seen, "unchanged")])
    process.step("charge", before=[lambda given, _: {**given, "a": 2}], after=[lambda out, _: {**out, "b": out["a"]}])(
        lambda given: {"a": given["a"] * 10}
    )
    outcome = outcome_of(process, {"a": 1})
    assert isinstance(outcome, Completed)
    assert outcome.document == {"a": 20, "b": 20}


def test_before_is_not_called_with_an_input_that_fails_its_schema(seen: list[str]) -> None:
    process = define_process("order", before=[noting(seen, "before")], on_error=[noting(seen, "error")])
    process.step("charge", input_schema=Schema.from_dict({"a": fields.Int(required=True)}))(lambda given: {})
    assert isinstance(outcome_of(process), BusinessError)
    assert seen == []


def test_after_is_not_called_when_the_handler_fails_and_on_error_is(seen: list[str]) -> None:
    process = define_process("order", after=[noting(seen, "after")], on_error=[noting(seen, "process error")])

    @process.step("charge", on_error=[noting(seen, "step error", returned="ignored")])
    def charge(_given: object) -> None:
        raise ValueError("no")

    outcome = outcome_of(process)
    assert isinstance(outcome, Failed)
    assert outcome.message == "ValueError: no"
    assert seen == ["step error", "process error"]


def test_error_that_a_hook_raises_takes_the_place_of_the_first(seen: list[str]) -> None:
    def translate(error: Exception, _context: StepContext) -> None:
        raise BusinessRuleError("CONFLICT", str(error))

    errors: list[str] = []
    process = define_process("order", on_error=[lambda error, _: errors.append(type(error).__name__)])

    @process.step("charge", on_error=[translate])
    def charge(_given: object) -> None:
        raise ValueError("no")

    outcome = outcome_of(process)
    assert isinstance(outcome, BusinessError)
    assert (outcome.code, outcome.message) == ("CONFLICT", "no")
    assert errors == ["BusinessRuleError"], "outer hooks get the error that replaced the first one"


def test_business_error_of_before_keeps_the_handler_from_running(seen: list[str]) -> None:
    def check(given: dict[str, Any], _context: StepContext) -> None:
        raise BusinessRuleError("UNKNOWN_TENANT", "no tenant")

    process = define_process("order", before=[check])
    process.step("charge")(lambda _given: seen.append("handler"))
    outcome = outcome_of(process)
    assert isinstance(outcome, BusinessError)
    assert seen == []
    (step,) = process.steps.values()
    assert codes_of(step)["UNKNOWN_TENANT"] == "raised by one of its hooks"
