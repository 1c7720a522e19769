"""Rules about errors that leave a step, response steps before the end, and the source of a handler."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from camunda_bridge import BusinessRuleError
from camunda_bridge.check.source import raised_codes
from tests.processes.probe import steps as probe
from tests.unit.check.bench import Drawing, faults
from tests.unit.check.test_data_flow import ALL, CALL

CODE = "BY_NAME"


class Declined(BusinessRuleError):
    def __init__(self, why: str) -> None:
        super().__init__("DECLINED", why)


class Relabelled(BusinessRuleError):
    pass


def by_name(given: Any) -> None:
    raise BusinessRuleError(code=CODE, message="m")


def by_class(given: Any) -> None:
    error = Declined("m")
    raise error


def by_subclass(given: Any) -> None:
    raise Relabelled("LABEL", "m")


def by_helper(given: Any) -> None:
    by_name(given)
    probe.work(given, given)


def swallowed(given: Any) -> None:
    try:
        by_nothing = BusinessRuleError("SWALLOWED", "m")
        raise by_nothing
    except (KeyError, BusinessRuleError):
        pass


def raised_again(given: Any) -> None:
    try:
        raise BusinessRuleError("AGAIN", "m")
    except BusinessRuleError:
        raise


def computed(given: Any) -> None:
    raise BusinessRuleError(given["code"], "m")


def hidden(given: Any, CODE: str = "") -> None:
    raise BusinessRuleError(CODE, "m")


@pytest.mark.parametrize(
    ("handler", "codes"),
    [
        (by_name, {"BY_NAME"}),
        (by_class, {"DECLINED"}),
        (by_subclass, {"LABEL"}),
        (by_helper, {"BY_NAME", "CAUGHT", "NOBODY_CATCHES_THIS"}),
        (swallowed, set()),
        (raised_again, {"AGAIN"}),
        (computed, set()),
        (hidden, set()),
        (len, set()),
    ],
)
def test_codes_that_the_source_shows(handler: Any, codes: set[str]) -> None:
    assert raised_codes(handler) == codes


def test_code_made_in_a_closure_is_found() -> None:
    code = "ENCLOSED"

    def handler(given: Any) -> None:
        raise BusinessRuleError(code, "m")

    assert raised_codes(handler) == {"ENCLOSED"}


def catching(*events: str) -> str:
    return "".join(
        f'<boundaryEvent id="on-{n}" attachedToRef="call">{event}</boundaryEvent>' for n, event in enumerate(events)
    )


def test_error_of_a_called_process_is_caught_at_the_call(tmp_path: Path) -> None:
    called = Drawing(tmp_path, "callee").step("a", error_codes=["E"]).draw("start:s task:a end:e", "s > a > e")
    caller = Drawing(tmp_path, "caller")
    caller.draw("start:s end:e", "s > call > e", xml=CALL % ALL + catching('<errorEventDefinition errorRef="e"/>'))
    assert faults(called, caller, of="ERROR") == []
    caller.draw("start:s end:e", "s > call > e", xml=CALL % ALL)
    assert faults(called, caller, of="ERROR") == [("a", "E")]
    assert faults(called, of="ERROR") == [("a", "E")]


def test_error_of_the_step_that_reports_errors_is_an_incident_by_design(tmp_path: Path) -> None:
    drawing = Drawing(tmp_path).step("a", "x").step("report", "x", outcome="error")
    drawing.draw("start:s task:a end:e catch:a:broke task:report end:f", "s > a > e", "broke > report > f")
    assert faults(drawing, of="ERROR") == []


def answering(folder: Path, key: str = "drawn") -> Drawing:
    return Drawing(folder, key).step("answer", outcome="ok").step("b")


def test_answer_at_the_end_of_a_sub_process_is_the_last(tmp_path: Path) -> None:
    sub = (
        '<subProcess id="sub"><startEvent id="is"/><serviceTask id="answer" camunda:type="external" '
        'camunda:topic="{key}.answer"/><endEvent id="ie"/></subProcess><intermediateThrowEvent id="note"/>'
    )
    drawing = answering(tmp_path)
    assert faults(drawing.draw("start:s end:e", "s > sub > note > e", "is > answer > ie", xml=sub), of="RESPONSE") == []
    drawing.draw("start:s task:b end:e", "s > sub > b > e", "is > answer > ie", xml=sub)
    assert [it[0] for it in faults(drawing, of="RESPONSE")] == ["answer"]


@pytest.mark.parametrize("flows", [("s > x > answer > e", "x > b > f"), ("s > x > answer > j > e", "x > b > j")])
def test_answer_beside_a_branch_that_still_runs_is_too_early(tmp_path: Path, flows: tuple[str, str]) -> None:
    drawing = answering(tmp_path).draw("start:s and:x task:answer task:b and:j end:e end:f", *flows)
    assert [it[0] for it in faults(drawing, of="RESPONSE")] == ["answer"]


def test_answer_behind_the_join_is_the_last(tmp_path: Path) -> None:
    drawing = answering(tmp_path).step("c")
    drawing.draw("start:s and:x task:b task:c and:j task:answer end:e", "s > x > b > j > answer > e", "x > c > j")
    assert faults(drawing, of="RESPONSE") == []


def test_answer_on_one_of_two_branches_is_the_last(tmp_path: Path) -> None:
    drawing = answering(tmp_path).draw(
        "start:s xor:x task:answer task:b end:e end:f", "s > x > answer > e", "x > b > f"
    )
    assert faults(drawing, of="RESPONSE") == []


def test_answer_in_a_loop_is_not_the_last(tmp_path: Path) -> None:
    drawing = answering(tmp_path).draw("start:s task:answer xor:x end:e", "s > answer > x > e", "x > answer")
    assert [it[0] for it in faults(drawing, of="RESPONSE")] == ["answer"]


def test_answer_of_a_called_process_is_judged_in_that_process_alone(tmp_path: Path) -> None:
    # A response step of a called process does not end its caller.
    called = answering(tmp_path, "callee").draw("start:s task:answer end:e", "s > answer > e")
    caller = Drawing(tmp_path, "caller").step("b")
    caller.draw("start:s task:b end:e", "s > call > b > e", xml=CALL % ALL)
    assert faults(called, caller, of="RESPONSE") == []
    called.draw("start:s task:answer task:b end:e", "s > answer > b > e")
    assert [it[0] for it in faults(called, caller, of="RESPONSE")] == ["answer"]


def test_error_that_the_diagram_makes_of_an_outcome_has_to_be_caught(tmp_path: Path) -> None:
    task = (
        '<serviceTask id="a" camunda:type="external" camunda:topic="{key}.a"><extensionElements>'
        '<camunda:errorEventDefinition id="d" errorRef="e" expression="${balance &lt; 0}"/></extensionElements>'
        "</serviceTask>"
    )
    drawing = Drawing(tmp_path).step("a").draw("start:s end:e", "s > a > e", xml=task)
    assert faults(drawing, of="ERROR") == [("a", "E")]
    caught = '<boundaryEvent id="caught" attachedToRef="a"><errorEventDefinition errorRef="e"/></boundaryEvent>'
    drawing.draw("start:s end:e end:f", "s > a > e", "caught > f", xml=task + caught)
    assert faults(drawing, of="ERROR") == []


def test_topic_that_is_an_expression_is_no_fault_and_may_be_that_of_any_step(tmp_path: Path) -> None:
    drawing = Drawing(tmp_path, start="id").step("a").step("b")
    expression = '<serviceTask id="any" camunda:type="external" camunda:topic="${where}"/>'
    drawing.draw("start:s task:a end:e", "s > a > any > e", xml=expression)
    assert faults(drawing, of="") == []


@pytest.mark.parametrize(
    ("caught", "found"), [(False, [("call", "E")]), (True, [])], ids=["nothing-catches-it", "the-caller-catches-it"]
)
def test_error_end_of_a_called_process_is_caught_where_it_is_called(
    tmp_path: Path, caught: bool, found: list[tuple[str, str]]
) -> None:
    bad = '<endEvent id="bad"><errorEventDefinition errorRef="e"/></endEvent>'
    called = Drawing(tmp_path, "callee", start="id").draw("start:s", "s > bad", xml=bad)
    caller = Drawing(tmp_path, "caller", start="id")
    catch = "catch:call:oops end:f" if caught else ""
    flows = ["s > call > e", "oops > f"] if caught else ["s > call > e"]
    caller.draw(f"start:s end:e {catch}", *flows, xml=CALL % ALL)
    assert faults(caller, called, of="ERROR") == found


def test_error_end_that_its_own_process_catches_is_no_fault_of_the_caller(tmp_path: Path) -> None:
    bad = (
        '<endEvent id="bad"><errorEventDefinition errorRef="e"/></endEvent><subProcess id="h" triggeredByEvent="true">'
        '<startEvent id="hs"><errorEventDefinition/></startEvent><endEvent id="he"/></subProcess>'
    )
    called = Drawing(tmp_path, "callee", start="id").draw("start:s", "s > bad", "hs > he", xml=bad)
    caller = Drawing(tmp_path, "caller", start="id")
    caller.draw("start:s end:e", "s > call > e", xml=CALL % ALL)
    assert faults(caller, called, of="ERROR") == []
