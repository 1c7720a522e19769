"""Values that other programs set in a process, and values of every type, on a real engine."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NoReturn

import pytest
from marshmallow import Schema, fields

from camunda_bridge import File, Raw, StepContext, VariableError, define_process
from camunda_bridge.executor import Completed, execute
from testkit import ProcessRun
from tests.processes.odd_answer.steps import process as odd_answer
from tests.processes.odd_values.steps import process as odd_values

Run = Callable[..., ProcessRun]

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
#: values that a handler returns -> what the client gets
MADE: dict[str, tuple[Any, Any]] = {
    "aDate": (AT, "2026-01-02T03:04:05.000Z"),
    "inList": ([AT], ["2026-01-02T03:04:05.000Z"]),
    "aDay": (date(2026, 1, 2), "2026-01-02"),
    "someBytes": (b"abc", "YWJj"),
    "noBytes": (b"", ""),
    "amount": (Decimal("1.10"), "1.10"),
    "nothing": (None, None),
    "yes": (True, True),
    "long": (2**40, 2**40),
    "text": ("grüße 😀" * 800, "grüße 😀" * 800),
    "deep": ({"a": [None, {"b": 1.5}]}, {"a": [None, {"b": 1.5}]}),
    "noNumber": (Raw("Double", "NaN", {}), "NaN"),
    "fromJava": (Raw("Json", '{"rate": Infinity, "n": [NaN, 1e999]}', {}), {"rate": "Infinity", "n": ["NaN", "1e999"]}),
    "halfJson": (Raw("Json", '"a\\ud800b"', {}), "a\ufffdb"),
    "inJson": (
        Raw("Object", '{"lines":[1]}', {"objectTypeName": "x.Y", "serializationDataFormat": "application/json"}),
        {"lines": [1]},
    ),
}  # fmt: skip
FILE = File("größe.csv", b"a;b", "text/csv", "UTF-8")


def strictly(value: Any) -> Any:
    """`value` through a strict parser."""

    def refuse(name: str) -> NoReturn:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8"), parse_constant=refuse)


def made() -> dict[str, Any]:
    return {**{name: value for name, (value, _) in MADE.items()}, "aFile": FILE}


def seen(**more: Any) -> dict[str, Any]:
    metadata = {"filename": "größe.csv", "mimetype": "text/csv", "encoding": "UTF-8"}
    return {**{name: shown for name, (_, shown) in MADE.items()}, "aFile": {**metadata, **more}}


def test_values_of_every_type_look_the_same_from_history_and_from_a_response_step(run_process: Run) -> None:
    ended = run_process(odd_values, replace={"make": made()})
    assert ended.status == "ok", ended
    result = strictly(ended.result)
    assert result.pop("validUntil").startswith("10026-")
    # A Joda time, which the engine does not return as JSON, is Java's serialised form in base64.
    assert result.pop("clock").startswith("rO0AB")
    assert result == seen()
    answered = run_process(odd_answer, replace={"make": made()})
    assert answered.status == "ok", answered
    # The step has returned the file, so its content is known.
    assert strictly(answered.result) == seen(content="YTti")


def test_unreadable_variable_stops_no_step_that_does_not_use_it(run_process: Run) -> None:
    run = run_process(odd_values, {"name": "Ada"}, replace={"make": lambda given: {"hello": given["name"]}})
    assert (run.status, run.result["hello"] if run.result else None) == ("ok", "Ada"), run
    assert run.events[0].phase == "completed"


def test_incident_of_a_step_that_uses_an_unreadable_variable_names_it(run_process: Run) -> None:
    run = run_process(odd_values, replace={"make": lambda given: {"until": given["validUntil"]}})
    assert run.status == "incident"
    assert "input of odd-values.make: variable 'validUntil' can't be read as Date" in (run.error or {})["message"]
    assert len(run.events) == 1
    with pytest.raises(VariableError, match="'validUntil'"):
        run.variables["validUntil"]


def test_object_that_java_cannot_write_as_json_is_named_by_the_incident(run_process: Run) -> None:
    run = run_process(odd_values, replace={"make": lambda given: {"now": given["clock"]}})
    assert run.status == "incident"
    why = "input of odd-values.make: variable 'clock' is a Java object of org.joda.time.DateTime"
    assert why in (run.error or {})["message"]
    assert "JSON writer refused the object" in (run.error or {})["message"]


@pytest.mark.parametrize("text", ["{not json", "", "[" * 600 + "]" * 600])
def test_json_that_does_not_parse_is_shown_as_its_text(run_process: Run, text: str) -> None:
    broken = {"broken": Raw("Json", text, {})}
    run = run_process(odd_values, replace={"make": broken, "use": lambda given: {"used": "broken" in given}})
    assert run.status == "ok", run
    assert run.result is not None
    assert (run.result["broken"], run.result["used"]) == (text, True)


def test_content_of_a_file_is_read_where_its_variable_is(run_process: Run) -> None:
    def use(given: dict[str, Any]) -> dict[str, Any]:
        file = given["aFile"]
        return {"text": file.read().decode(), "name": file.filename, "content": file.content}

    run = run_process(odd_values, replace={"make": {"aFile": FILE}, "use": use})
    assert run.status == "ok", run
    assert run.result is not None
    assert {name: run.result[name] for name in ("text", "name", "content")} == {
        "text": "a;b",
        "name": "größe.csv",
        "content": None,
    }


def test_lists_and_maps_of_input_mappings_are_those_of_the_innermost_scope(run_process: Run) -> None:
    found: list[Any] = []

    def use(given: dict[str, Any]) -> None:
        found.append((given["recipients"], given["headers"], given["scope"], given["loopCounter"]))

    run = run_process(odd_values, {"scope": ["of the process"]}, replace={"use": use})
    assert run.status == "ok", run
    # Two instances have a variable `scope` each, and the process has one.
    assert sorted(found, key=lambda it: it[3]) == [(["ada", 2], {"lang": "en"}, [n], n) for n in (0, 1)]


def test_list_of_an_input_mapping_passes_a_schema(run_process: Run, step_context: StepContext) -> None:
    class Needs(Schema):
        recipients = fields.List(fields.Raw(), required=True)

    strict = define_process("strict")
    strict.step("use", input_schema=Needs)(lambda loaded: loaded)

    def use(given: dict[str, Any]) -> None:
        outcome = execute(strict.steps["strict.use"], given, step_context).outcome
        assert isinstance(outcome, Completed), outcome
        assert outcome.document == {"recipients": ["ada", 2]}

    run = run_process(odd_values, replace={"use": use})
    assert run.status == "ok", run


@pytest.mark.parametrize(
    ("output", "why"),
    [
        ({"executionContext": {"processId": "not-a-uuid"}}, "variable name 'executionContext' is reserved"),
        ({"n" * 300: 1}, f"variable name {'n' * 30!r}… has 300 characters; at most 255 are allowed"),
    ],
)
def test_invalid_variable_name_of_a_handler_is_an_incident_at_once(
    run_process: Run, output: dict[str, Any], why: str
) -> None:
    run = run_process(odd_answer, replace={"make": output})
    assert run.status == "incident"
    assert f"output of odd-answer.make: {why}" in (run.error or {})["message"]
    assert run.steps == ["make"]


def test_name_of_255_characters_is_kept(run_process: Run) -> None:
    names = ["n" * 255, "😀" * 127 + "x"]
    run = run_process(odd_answer, replace={"make": dict.fromkeys(names, 1)})
    assert run.result == dict.fromkeys(names, 1)


def test_start_and_message_cannot_set_the_bridges_own_variable(run_process: Run) -> None:
    with pytest.raises(VariableError, match="reserved"):
        run_process(odd_answer, {"executionContext": {}})
