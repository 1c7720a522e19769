"""One attempt of one step: all rows of the table of failures that are decided without an engine."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest
from marshmallow import EXCLUDE, Schema, fields, validate

from camunda_bridge.context import StepContext, current_record
from camunda_bridge.definition import define_process
from camunda_bridge.errors import BusinessRuleError
from camunda_bridge.executor import MAX_TRACE, BusinessError, Completed, Execution, Failed, OutputFieldDropped, execute
from camunda_bridge.variables import File, from_engine

CONTEXT = StepContext("order-1", "trace", "pi", "charge", 2, "task-1")


def run(handler: Callable[..., Any], values: dict[str, Any] | None = None, **options: Any) -> Execution:
    process = define_process("order")
    process.step("charge", **options)(handler)
    return execute(process.steps["order.charge"], values or {}, CONTEXT)


def completed(execution: Execution) -> Completed:
    assert isinstance(execution.outcome, Completed), execution.outcome
    return execution.outcome


def failed(execution: Execution) -> Failed:
    assert isinstance(execution.outcome, Failed), execution.outcome
    return execution.outcome


def business_error(execution: Execution) -> BusinessError:
    assert isinstance(execution.outcome, BusinessError), execution.outcome
    return execution.outcome


def raising(error: BaseException) -> Callable[[Any], None]:
    def handler(_: Any) -> None:
        raise error

    return handler


class Amount(Schema):
    amount = fields.Integer(required=True, validate=validate.Range(min=1))
    items = fields.List(fields.Integer())
    day = fields.Date()


class Receipt(Schema):
    number = fields.Integer(required=True)
    total = fields.Decimal(as_string=True)


# -- the input of the handler


def test_handler_gets_the_loaded_input_without_unknown_fields() -> None:
    seen: list[Any] = []
    run(seen.append, {"amount": "5", "day": "2026-01-02", "surplus": 1}, input_schema=Amount)
    assert seen == [{"amount": 5, "day": datetime(2026, 1, 2, tzinfo=UTC).date()}]


def test_handler_without_schema_gets_everything() -> None:
    seen: list[Any] = []
    run(seen.append, {"x": 1})
    assert seen == [{"x": 1}]


def test_handler_with_two_parameters_gets_the_context() -> None:
    def handler(given: dict[str, Any], context: StepContext) -> dict[str, Any]:
        return {"attempt": context.attempt, "key": context.idempotency_key}

    assert completed(run(handler)).document == {"attempt": 2, "key": "task-1"}


def test_handler_cannot_change_the_values_of_the_message() -> None:
    values = {"amount": 5}
    run(lambda given: given.clear(), values, input_schema=Amount)
    assert values == {"amount": 5}


# -- the output of the handler


def test_returned_fields_are_variables_and_document() -> None:
    outcome = completed(run(lambda _: {"n": 1, "list": [1, None]}))
    assert outcome.variables == {"n": {"type": "Integer", "value": 1}, "list": {"type": "Json", "value": "[1,null]"}}
    assert (outcome.document, outcome.exact) == ({"n": 1, "list": [1, None]}, True)


def test_values_that_json_has_no_form_for_are_typed_for_the_engine_and_shown_to_clients() -> None:
    at = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))
    outcome = completed(run(lambda _: {"at": at, "in": [at], "bytes": b"abc", "file": File("f", b"x", "text/plain")}))
    assert not outcome.exact
    assert outcome.variables["at"] == {"type": "Date", "value": "2026-01-01T01:00:00.000+0100"}
    assert outcome.document == {
        "at": "2026-01-01T00:00:00.000Z",
        "in": ["2026-01-01T00:00:00.000Z"],
        "bytes": "YWJj",
        "file": {"filename": "f", "mimetype": "text/plain", "encoding": None, "content": "eA=="},
    }


BROKEN = {
    "name": {"type": "String", "value": "Ada"},
    "validUntil": {"type": "Date", "value": "10026-11-27T10:00:00.000+0000"},
}


def test_variable_that_cannot_be_read_does_not_keep_the_handler_from_running() -> None:
    def handler(given: dict[str, Any]) -> dict[str, Any]:
        return {"hello": given["name"], "given": sorted(given), "is_there": "validUntil" in given}

    outcome = completed(run(handler, from_engine(BROKEN)))
    assert outcome.document == {"hello": "Ada", "given": ["name", "validUntil"], "is_there": True}


@pytest.mark.parametrize(
    "use", [lambda given: given["validUntil"], lambda given: given.get("validUntil"), lambda given: {**given}]
)
def test_handler_that_uses_what_cannot_be_read_fails_at_once_by_its_name(use: Callable[..., Any]) -> None:
    outcome = failed(run(use, from_engine(BROKEN)))
    assert outcome.final
    assert outcome.message.startswith("input of order.charge: variable 'validUntil' can't be read as Date")


def test_variable_that_cannot_be_read_is_an_invalid_input_where_the_schema_names_it() -> None:
    class Warranty(Schema):
        validUntil = fields.DateTime()

    outcome = business_error(run(lambda _: {}, from_engine(BROKEN), input_schema=Warranty))
    assert outcome.code == "VALIDATION_ERROR"
    assert "10026" in outcome.details["errors"]["validUntil"][0]


def test_variable_that_cannot_be_read_is_ignored_if_the_schema_does_not_name_it() -> None:
    class Person(Schema):
        name = fields.String(required=True)

    outcome = completed(run(lambda given: given, from_engine(BROKEN), input_schema=Person))
    assert outcome.document == {"name": "Ada"}


def test_date_of_the_engine_passes_a_schema() -> None:
    class Due(Schema):
        at = fields.AwareDateTime()

    given = from_engine({"at": {"type": "Date", "value": "2026-01-01T01:00:00.000+0100"}})
    outcome = completed(run(lambda due: due, given, input_schema=Due))
    assert outcome.document == {"at": "2026-01-01T00:00:00.000Z"}


@pytest.mark.parametrize(
    ("output", "why"),
    [
        ({"executionContext": {"processId": "x"}}, "variable name 'executionContext' is reserved"),
        ({"n" * 300: 1}, f"variable name {'n' * 30!r}… has 300 characters; at most 255 are allowed"),
        ({"\U0001f600" * 128: 1}, f"variable name '{chr(0x1F600) * 30}'… has 256 characters; at most 255 are allowed"),
        ({"": 1}, "a variable has an empty name"),
    ],
)
def test_name_that_a_handler_cannot_give_is_a_final_failure(output: dict[str, Any], why: str) -> None:
    outcome = failed(run(lambda _: output))
    assert outcome.final
    assert outcome.message.startswith(f"output of order.charge: {why}")


def test_nothing_returned_is_an_empty_output() -> None:
    assert completed(run(lambda _: None)).document == {}


def test_dataclass_is_an_output() -> None:
    @dataclass
    class Result:
        number: int
        inner: Any

    assert completed(run(lambda _: Result(1, Result(2, None)))).document == {
        "number": 1,
        "inner": {"number": 2, "inner": None},
    }
    assert completed(run(lambda _: Result(1, None), output_schema=Receipt)).document == {"number": 1}


def test_output_is_dumped_by_its_schema() -> None:
    outcome = completed(run(lambda _: {"number": 7, "total": Decimal("1.10")}, output_schema=Receipt))
    assert outcome.document == {"number": 7, "total": "1.10"}


# -- business errors


def test_invalid_input_is_a_business_error_with_the_fields_at_fault() -> None:
    calls: list[Any] = []
    error = business_error(run(calls.append, {"amount": 0, "items": [1, "x"]}, input_schema=Amount))
    assert (error.code, error.kind) == ("VALIDATION_ERROR", "ValidationError")
    assert set(error.details["errors"]) == {"amount", "items"}
    assert "order.charge" in error.message
    assert calls == []


def test_code_for_invalid_input_is_the_steps_own() -> None:
    error = business_error(run(lambda _: None, {}, input_schema=Amount, invalid_input_code="NO_AMOUNT"))
    assert error.code == "NO_AMOUNT"


def test_business_rule_error_keeps_code_message_details_and_kind() -> None:
    class TooPoor(BusinessRuleError):
        """A process's own kind of business error."""

    error = business_error(run(raising(TooPoor("NO_MONEY", "too poor", {"missing": 5}))))
    assert error == BusinessError("NO_MONEY", "too poor", "TooPoor", {"missing": 5})


def test_details_are_plain_json_whatever_the_handler_gave() -> None:
    details = {"at": datetime(2026, 1, 1, tzinfo=UTC), "amount": Decimal("1.10"), "pair": (1, 2)}
    error = business_error(run(raising(BusinessRuleError("E", "m", details))))
    assert error.details == {"at": "2026-01-01T00:00:00.000Z", "amount": "1.10", "pair": [1, 2]}


@pytest.mark.parametrize("details", [{"o": object()}, {"s": "\ud800"}, {"n": float("nan")}, {"n": {1, 2}}])
def test_business_rule_error_that_the_engine_cannot_store_fails_without_retries(details: dict[str, Any]) -> None:
    outcome = failed(run(raising(BusinessRuleError("NO_MONEY", "too poor", details))))
    assert outcome.final
    assert "NO_MONEY" in outcome.message


# -- failures


@pytest.mark.parametrize(
    "error",
    [ValueError("no"), KeyError("no"), MemoryError("no"), RecursionError("no"), AssertionError("no"), StopIteration("no")],
)  # fmt: skip
def test_any_other_exception_fails_and_is_tried_again(error: Exception) -> None:
    outcome = failed(run(raising(error)))
    assert not outcome.final
    assert outcome.message.startswith(type(error).__name__)
    assert "no" in outcome.message
    assert "Traceback" in outcome.details
    assert __file__ in outcome.details


def test_message_is_one_line_and_may_be_empty() -> None:
    assert failed(run(raising(ValueError("first\nsecond")))).message == "ValueError: first"
    assert failed(run(raising(ValueError()))).message == "ValueError"


def test_end_of_a_long_stack_trace_is_kept() -> None:
    def deeper(_: Any) -> None:
        deeper(_)

    outcome = failed(run(raising(ValueError("x" * 2 * MAX_TRACE + "the end"))))
    assert len(outcome.details) == MAX_TRACE
    assert outcome.details.rstrip().endswith("the end")
    assert failed(run(deeper)).message.startswith("RecursionError")


def test_text_of_an_error_can_always_be_stored() -> None:
    outcome = failed(run(raising(ValueError("half a pair: \ud83d"))))
    assert outcome.message == "ValueError: half a pair: \\ud83d"
    assert outcome.details.encode()


def test_validation_error_of_the_handlers_own_is_a_failure_not_invalid_input() -> None:
    def handler(_: Any) -> None:
        Amount().load({})

    assert not failed(run(handler, {"amount": 1}, input_schema=Amount)).final


def test_fault_of_the_input_schema_itself_is_a_failure() -> None:
    class Broken(Schema):
        amount = fields.Integer(validate=lambda value: 1 / 0)

    assert failed(run(lambda _: None, {"amount": 1}, input_schema=Broken)).message.startswith("ZeroDivisionError")


@pytest.mark.parametrize("returned", ["text", 5, [1], True, object(), dict])
def test_output_that_is_no_object_fails_without_retries(returned: Any) -> None:
    outcome = failed(run(lambda _: returned))
    assert outcome.final
    assert type(returned).__name__ in outcome.message


@pytest.mark.parametrize("returned", [{}, None, {"number": None}, {"number": "many"}, {"number": 1, "total": "much"}])
def test_output_that_fails_its_schema_fails_without_retries(returned: Any) -> None:
    outcome = failed(run(lambda _: returned, output_schema=Receipt))
    assert outcome.final
    assert "output of order.charge fails its schema" in outcome.message


@pytest.mark.parametrize("value", [2**63, float("nan"), object(), "\ud800", {"deep": object()}])
def test_output_that_the_engine_cannot_store_fails_without_retries_and_names_the_variable(value: Any) -> None:
    outcome = failed(run(lambda _: {"amount": value}))
    assert outcome.final
    assert "'amount'" in outcome.message


# -- further facts about the attempt


def test_duration_is_measured_in_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([10.0, 11.2341])
    monkeypatch.setattr("camunda_bridge.executor.time.monotonic", lambda: next(times))
    assert run(lambda _: None).duration_ms == 1234


def test_status_code_of_the_last_call_is_kept_and_belongs_to_one_attempt() -> None:
    def calling(_: Any) -> None:
        record = current_record()
        assert record is not None
        record.http_status_code = 201

    def failing(_: Any) -> None:
        calling(_)
        raise ValueError

    assert run(calling).http_status_code == 201
    assert run(failing).http_status_code == 201
    assert run(cast(Any, lambda _: None)).http_status_code is None
    assert current_record() is None


@pytest.mark.parametrize("code", ["", None, 5, "x" * 4_001])
def test_business_error_with_a_code_that_the_engine_does_not_take_is_a_final_failure(code: Any) -> None:
    outcome = failed(run(raising(BusinessRuleError(code, "m"))))
    assert outcome.final
    assert "its code must be text of 1 to 4000 characters" in outcome.message


def test_message_of_a_business_error_is_text() -> None:
    assert business_error(run(raising(BusinessRuleError("E", cast(str, ValueError("m")))))).message == "m"


def test_message_of_an_invalid_input_is_a_sentence_and_no_repr() -> None:
    error = business_error(run(lambda _: {}, {"amount": "much", "items": [1, "x"]}, input_schema=Amount))
    assert error.message == "input of order.charge: amount: Not a valid integer; items.1: Not a valid integer"
    failure = error.uncaught()
    assert failure.errors == {"amount": ["Not a valid integer."], "items": {"1": ["Not a valid integer."]}}
    assert failure.document["errors"] == failure.errors


# -- where it happened


def test_failure_names_the_line_of_the_authors_code_not_of_a_library() -> None:
    def handler(_: Any) -> None:
        json.loads("{")

    failure = failed(run(handler))
    assert failure.where == f"tests/unit/test_executor.py:{handler.__code__.co_firstlineno + 1}"
    assert failure.document == {"message": failure.message, "where": failure.where}


def test_failure_in_a_partner_call_names_the_line_of_the_call() -> None:
    def handler(_: Any) -> None:
        Completed.of({"": 1})

    assert failed(run(handler)).where.endswith(f"test_executor.py:{handler.__code__.co_firstlineno + 1}")


def test_failure_of_the_output_names_the_handler() -> None:
    def handler(_: Any) -> Any:
        return "text"

    assert failed(run(handler)).where.endswith(f"test_executor.py:{handler.__code__.co_firstlineno}")


def test_failure_outside_of_the_working_directory_has_its_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert failed(run(raising(ValueError()))).where.startswith(f"{__file__}:")


def test_validation_error_of_the_handlers_own_is_told_by_field() -> None:
    def handler(_: Any) -> None:
        Amount().load({"amount": "much"})

    failure = failed(run(handler))
    assert failure.message == "ValidationError: amount: Not a valid integer"
    assert failure.errors == {"amount": ["Not a valid integer."]}


def test_output_that_fails_its_schema_is_told_by_field() -> None:
    failure = failed(run(lambda _: {}, output_schema=Receipt))
    assert failure.message == "output of order.charge fails its schema: number: Missing data for required field"
    assert failure.errors == {"number": ["Missing data for required field."]}


# -- fields that the output schema does not have


def test_output_field_that_the_schema_has_not_is_told() -> None:
    def handler(_: Any) -> dict[str, Any]:
        return {"number": 1, "totl": 5}

    with pytest.warns(OutputFieldDropped, match=r"output of order\.charge: its schema does not have totl") as told:
        outcome = completed(run(handler, output_schema=Receipt))
    assert outcome.dropped == ("totl",)
    assert outcome.document == {"number": 1}
    assert told[0].lineno == handler.__code__.co_firstlineno
    assert told[0].filename.endswith("test_executor.py")


def test_output_field_is_dropped_silently_where_the_schema_says_so() -> None:
    class Only(Schema):
        class Meta:
            unknown = EXCLUDE

        number = fields.Integer()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outcome = completed(run(lambda _: {"number": 1, "totl": 5}, output_schema=Only))
    assert outcome.dropped == ()


def test_worker_is_told_once_of_a_dropped_field() -> None:
    def handler(_: Any) -> dict[str, Any]:
        return {"number": 1, "once": 5}

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        run(handler, output_schema=Receipt)
        run(handler, output_schema=Receipt)
    assert len(told) == 1
