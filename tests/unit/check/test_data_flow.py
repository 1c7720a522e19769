"""The fields that exist when a step begins, with branches, joins, loops, errors, sub-processes, calls, mappings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.check.bench import Drawing, faults


def test_field_of_the_start_reaches_every_step(tmp_path: Path) -> None:
    drawing = Drawing(tmp_path, start="id").step("a", "id", "x").step("b", "id x")
    assert faults(drawing.draw("start:s task:a task:b end:e", "s > a > b > e")) == []


def test_step_does_not_get_what_a_later_one_gives(tmp_path: Path) -> None:
    drawing = Drawing(tmp_path, start="id").step("a", "x", "id").step("b", "id", "x")
    assert faults(drawing.draw("start:s task:a task:b end:e", "s > a > b > e")) == [("a", "x")]


def test_field_given_on_every_branch_is_there(tmp_path: Path) -> None:
    drawing = Drawing(tmp_path, start="id").step("a", gives="x y").step("b", gives="x").step("c", "x y")
    drawing.draw(
        "start:s xor:split task:a task:b xor:join task:c end:e", "s > split > a > join > c > e", "split > b > join"
    )
    assert faults(drawing) == [("c", "y")]


@pytest.mark.parametrize(
    # Without conditions, an inclusive gateway takes all its flows: tests/contract/test_data_flow.py.
    ("kind", "missing"),
    [("and", []), ("xor", [("c", "x"), ("c", "y")]), ("or", [])],
)
def test_parallel_branches_that_are_joined_have_all_run(
    tmp_path: Path, kind: str, missing: list[tuple[str, str]]
) -> None:
    drawing = Drawing(tmp_path, start="id").step("a", gives="x").step("b", gives="y").step("c", "x y")
    drawing.draw(
        f"start:s {kind}:split task:a task:b {kind}:join task:c end:e",
        "s > split > a > join > c > e",
        "split > b > join",
    )
    assert faults(drawing) == missing


IF = '<sequenceFlow id="if-{to}" sourceRef="{source}" targetRef="{to}"><conditionExpression>x</conditionExpression></sequenceFlow>'


def only_if(source: str, to: str) -> str:
    """A sequence flow with a condition."""
    return IF.replace("{source}", source).replace("{to}", to)


def test_branch_of_an_inclusive_gateway_that_always_runs_has_run_behind_the_join(tmp_path: Path) -> None:
    drawing = Drawing(tmp_path, start="id").step("a", gives="x").step("b", gives="y").step("c", "x y")
    drawing.draw(
        "start:s or:split task:a task:b or:join task:c end:e",
        "s > split > a > join > c > e",
        "b > join",
        xml=only_if("split", "b"),
    )
    assert faults(drawing) == [("c", "y")]


def test_activity_takes_every_flow_without_a_condition(tmp_path: Path) -> None:
    drawing = Drawing(tmp_path, start="id").step("a").step("b", gives="x").step("c").step("d", "x")
    drawing.draw(
        "start:s task:a task:b task:c or:join task:d end:e",
        "s > a > b > join > d > e",
        "c > join",
        xml=only_if("a", "c"),
    )
    assert faults(drawing) == []


WITH_INPUT = (
    '<serviceTask id="a" camunda:type="external" camunda:topic="{key}.a"><extensionElements><camunda:inputOutput>'
    '<camunda:inputParameter name="x">${id}</camunda:inputParameter>{out}'
    "</camunda:inputOutput></extensionElements>{loop}</serviceTask>"
)


@pytest.mark.parametrize(
    ("out", "missing"),
    [("", [("b", "x")]), ('<camunda:outputParameter name="x">${x}</camunda:outputParameter>', [])],
)
def test_variable_that_an_input_mapping_made_local_is_not_there_behind_the_step(
    tmp_path: Path, out: str, missing: list[tuple[str, str]]
) -> None:
    drawing = Drawing(tmp_path, start="id").step("a", "x", "x y").step("b", "x y")
    drawing.draw("start:s task:b end:e", "s > a > b > e", xml=WITH_INPUT.replace("{out}", out).replace("{loop}", ""))
    assert faults(drawing) == missing


@pytest.mark.parametrize(
    ("mapping", "missing"),
    [
        ("${nothing}", [("a", "nothing")]),
        ("${id}", []),
        ("${execution.getVariable('nothing')}", []),
        ("${null}", []),
        ("${w}", []),
    ],
)
def test_variable_of_an_input_mapping_is_set_before_the_step(
    tmp_path: Path, mapping: str, missing: list[tuple[str, str]]
) -> None:
    drawing = Drawing(tmp_path, start="id").step("a", "x", "y")
    earlier = '<camunda:inputParameter name="w">1</camunda:inputParameter><camunda:inputParameter name="x">'
    xml = WITH_INPUT.replace('<camunda:inputParameter name="x">${id}', earlier + mapping)
    drawing.draw("start:s end:e", "s > a > e", xml=xml.replace("{out}", "").replace("{loop}", ""))
    assert faults(drawing) == missing


def test_variable_that_was_there_before_an_input_mapping_is_there_behind_it(tmp_path: Path) -> None:
    drawing = Drawing(tmp_path, start="id x").step("a", "x", "x").step("b", "x")
    drawing.draw("start:s task:b end:e", "s > a > b > e", xml=WITH_INPUT.replace("{out}", "").replace("{loop}", ""))
    assert faults(drawing) == []


@pytest.mark.parametrize(
    ("loop", "missing"),
    [
        ('camunda:collection="items"/>', [("b", "y")]),
        ("><loopCardinality>0</loopCardinality></multiInstanceLoopCharacteristics>", [("b", "y")]),
        ("><loopCardinality>${count}</loopCardinality></multiInstanceLoopCharacteristics>", [("b", "y")]),
        ("><loopCardinality>3</loopCardinality></multiInstanceLoopCharacteristics>", []),
    ],
)
def test_step_for_each_item_may_run_no_time(tmp_path: Path, loop: str, missing: list[tuple[str, str]]) -> None:
    drawing = Drawing(tmp_path, start="id items count").step("a", gives="y").step("b", "y")
    xml = WITH_INPUT.replace("{out}", "").replace("{loop}", f"<multiInstanceLoopCharacteristics {loop}")
    drawing.draw("start:s task:b end:e", "s > a > b > e", xml=xml)
    assert faults(drawing) == missing


def test_sub_process_for_each_item_may_run_no_time(tmp_path: Path) -> None:
    inside = TASK % ("a", "a") + '<multiInstanceLoopCharacteristics camunda:collection="items"/>'
    drawing = Drawing(tmp_path, start="id items count").step("a", gives="p").step("after", "p")
    drawing.draw("start:s end:z", "s > sub > after > z", "is > a > ie", xml=SUB.replace("{inside}", inside))
    assert faults(drawing) == [("after", "p")]


def test_branch_does_not_get_what_the_branch_beside_it_gives(tmp_path: Path) -> None:
    drawing = Drawing(tmp_path, start="id").step("a", gives="x").step("b", "x")
    drawing.draw("start:s and:split task:a task:b and:join end:e", "s > split > a > join > e", "split > b > join")
    assert faults(drawing) == [("b", "x")]


def test_loop_gives_nothing_to_its_own_first_round(tmp_path: Path) -> None:
    drawing = Drawing(tmp_path, start="id").step("a", "x id", "y").step("b", "y", "x").step("c", "x y")
    drawing.draw("start:s task:a task:b xor:again task:c end:e", "s > a > b > again > c > e", "again > a")
    assert faults(drawing) == [("a", "x")]


def test_step_behind_an_error_has_what_was_there_before_it(tmp_path: Path) -> None:
    drawing = Drawing(tmp_path, start="id").step("a", gives="x").step("b", "x id", "y")
    drawing.step("c", "id x errorCode errorMessage errorType errorDetails y")
    drawing.draw("start:s task:a task:b end:e catch:b:broke task:c end:f", "s > a > b > e", "broke > c > f")
    assert faults(drawing) == [("c", "y")]


def test_step_that_may_be_skipped_by_an_error_is_not_certain_behind_the_merge(tmp_path: Path) -> None:
    drawing = Drawing(tmp_path, start="id").step("a", gives="x").step("b", "x")
    drawing.draw("start:s task:a xor:join task:b end:e catch:a:broke", "s > a > join > b > e", "broke > join")
    assert faults(drawing) == [("b", "x")]


SUB = (
    '<subProcess id="sub"><startEvent id="is"/>{inside}<endEvent id="ie"/></subProcess>'
    '<serviceTask id="after" camunda:type="external" camunda:topic="{key}.after"/>'
)
TASK = '<serviceTask id="%s" camunda:type="external" camunda:topic="{key}.%s"/>'


def test_sub_process_gives_what_all_its_ways_give(tmp_path: Path) -> None:
    inside = "".join(TASK % (name, name) for name in "ab") + '<exclusiveGateway id="x"/>'
    drawing = Drawing(tmp_path, start="id").step("a", "id", "p q").step("b", gives="p").step("after", "p q")
    drawing.draw(
        "start:s end:e", "s > sub > after > e", "is > x > a > ie", "x > b > ie", xml=SUB.replace("{inside}", inside)
    )
    assert faults(drawing) == [("after", "q")]


def test_branches_that_end_apart_in_a_sub_process_have_all_run(tmp_path: Path) -> None:
    inside = "".join(TASK % (name, name) for name in "ab") + '<parallelGateway id="x"/><endEvent id="ie2"/>'
    drawing = Drawing(tmp_path, start="id").step("a", gives="p").step("b", gives="q").step("after", "p q")
    drawing.draw(
        "start:s end:e", "s > sub > after > e", "is > x > a > ie", "x > b > ie2", xml=SUB.replace("{inside}", inside)
    )
    assert faults(drawing) == []


def test_way_that_leaves_a_sub_process_by_an_error_takes_nothing_from_the_others(tmp_path: Path) -> None:
    inside = (
        TASK % ("a", "a")
        + '<exclusiveGateway id="x"/><endEvent id="bad"><errorEventDefinition errorRef="e"/></endEvent>'
    )
    drawing = Drawing(tmp_path, start="id").step("a", gives="p").step("after", "p")
    drawing.draw(
        "start:s end:z", "s > sub > after > z", "is > x > a > ie", "x > bad", xml=SUB.replace("{inside}", inside)
    )
    assert faults(drawing) == []


def test_event_sub_process_has_what_was_there_when_its_scope_began(tmp_path: Path) -> None:
    handler = (
        '<subProcess id="on-error" triggeredByEvent="true"><startEvent id="oops"><errorEventDefinition/></startEvent>'
        + TASK % ("c", "c")
        + '<endEvent id="f"/></subProcess>'
    )
    drawing = Drawing(tmp_path, start="id").step("a", gives="x").step("c", "id errorCode x")
    drawing.draw("start:s task:a end:e", "s > a > e", "oops > c > f", xml=handler)
    assert faults(drawing) == [("c", "x")]


def test_compensation_has_what_is_to_be_undone(tmp_path: Path) -> None:
    undo = (
        '<boundaryEvent id="undo" attachedToRef="a"><compensateEventDefinition/></boundaryEvent>'
        '<association id="link" sourceRef="undo" targetRef="c"/>'
        '<serviceTask id="c" isForCompensation="true" camunda:type="external" camunda:topic="{key}.c"/>'
    )
    drawing = Drawing(tmp_path, start="id").step("a", gives="x").step("c", "id x y")
    assert faults(drawing.draw("start:s task:a end:e", "s > a > e", xml=undo)) == [("c", "y")]


MAPPED = (
    '<serviceTask id="a" camunda:type="external" camunda:topic="{key}.a"><extensionElements><camunda:inputOutput>'
    '<camunda:inputParameter name="amount">${total}</camunda:inputParameter>'
    '<camunda:outputParameter name="receipt">${number}</camunda:outputParameter>'
    "</camunda:inputOutput></extensionElements></serviceTask>"
)


def test_declared_mappings_give_their_names(tmp_path: Path) -> None:
    drawing = Drawing(tmp_path, start="total").step("a", "amount", "number").step("b", "receipt number amount")
    drawing.draw("start:s task:b end:e", "s > a > b > e", xml=MAPPED)
    assert faults(drawing) == [("b", "amount")]


@pytest.mark.parametrize(
    ("xml", "missing"),
    [
        ('<userTask id="mid"/>', []),
        ('<receiveTask id="mid" messageRef="m"/>', []),
        ('<intermediateCatchEvent id="mid"><messageEventDefinition messageRef="m"/></intermediateCatchEvent>', []),
        ('<intermediateCatchEvent id="mid"><timerEventDefinition/></intermediateCatchEvent>', [("b", "x")]),
        ('<serviceTask id="mid" camunda:class="org.Some"/>', []),
        ('<serviceTask id="mid" camunda:expression="${execution.setVariable(&quot;x&quot;, 1)}"/>', []),
        ('<serviceTask id="mid" camunda:expression="${1}" camunda:resultVariable="x"/>', []),
        ('<serviceTask id="mid" camunda:expression="${1}"/>', [("b", "x")]),
        ('<scriptTask id="mid" camunda:resultVariable="x"><script>1</script></scriptTask>', []),
        ('<manualTask id="mid"/>', [("b", "x")]),
    ],
)
def test_what_comes_from_outside_may_be_anything(tmp_path: Path, xml: str, missing: list[tuple[str, str]]) -> None:
    drawing = Drawing(tmp_path, start="id").step("b", "x")
    assert faults(drawing.draw("start:s task:b end:e", "s > mid > b > e", xml=xml)) == missing


def test_without_a_start_schema_anything_may_be_there(tmp_path: Path) -> None:
    assert faults(Drawing(tmp_path).step("a", "x").draw("start:s task:a end:e", "s > a > e")) == []


def test_optional_and_defaulted_fields_are_not_needed(tmp_path: Path) -> None:
    assert faults(Drawing(tmp_path, start="id").step("a", "x? y=").draw("start:s task:a end:e", "s > a > e")) == []


def test_default_of_an_output_is_certain_and_one_of_the_start_is_not_carried(tmp_path: Path) -> None:
    drawing = Drawing(tmp_path, start="id=").step("a", gives="x=").step("b", "x id")
    assert faults(drawing.draw("start:s task:a task:b end:e", "s > a > b > e")) == [("b", "id")]


def test_optional_field_behind_a_condition_is_left_to_the_diagram(tmp_path: Path) -> None:
    drawing = Drawing(tmp_path, start="id?").step("a", "id").step("b", "id")
    drawing.draw("start:s xor:has-id task:a xor:join task:b end:e", "s > has-id > a > join > b > e", "has-id > join")
    assert faults(drawing, of="FIELD_MAY_BE_MISSING") == [("b", "id")]


def literal(given: dict[str, Any]) -> dict[str, Any]:
    if given:
        return {"x": 1, "y": 2}
    return dict(x=3)  # noqa: C408


def spread(given: dict[str, Any]) -> dict[str, Any]:
    return {**given, "x": 1}


@pytest.mark.parametrize(("handler", "missing"), [(literal, [("b", "y")]), (spread, [])])
def test_without_an_output_schema_the_source_tells_what_it_can(
    tmp_path: Path, handler: Any, missing: list[tuple[str, str]]
) -> None:
    drawing = Drawing(tmp_path, start="id").step("b", "x y")
    drawing.definition.step("a")(handler)
    assert faults(drawing.draw("start:s task:a task:b end:e", "s > a > b > e")) == missing


CALL = (
    '<callActivity id="call" calledElement="callee"><extensionElements>%s'
    '<camunda:in businessKey="#{execution.processBusinessKey}"/></extensionElements></callActivity>'
)
ALL = '<camunda:in variables="all"/><camunda:out variables="all"/>'


def callee(folder: Path) -> Drawing:
    drawing = Drawing(folder, "callee", start="id").step("i", "id", "found")
    return drawing.draw("start:s task:i end:e", "s > i > e")


def test_called_process_brings_back_what_it_surely_gives(tmp_path: Path) -> None:
    caller = Drawing(tmp_path, "caller", start="id").step("b", "id found other")
    caller.draw("start:s task:b end:e", "s > call > b > e", xml=CALL % ALL)
    assert faults(caller, callee(tmp_path)) == [("b", "other")]


@pytest.mark.parametrize(
    ("mapping", "missing"),
    [
        (ALL, [("call", "id")]),
        ('<camunda:in source="no" target="id"/>', []),
        ('<camunda:in source="no" target="number"/>', [("call", "id")]),
    ],
)
def test_called_process_needs_what_its_start_requires(
    tmp_path: Path, mapping: str, missing: list[tuple[str, str]]
) -> None:
    caller = Drawing(tmp_path, "caller", start="no").draw("start:s end:e", "s > call > e", xml=CALL % mapping)
    assert faults(caller, callee(tmp_path)) == missing


def test_processes_that_call_each_other_are_checked_too(tmp_path: Path) -> None:
    one = Drawing(tmp_path, "callee", start="id").draw("start:s end:e", "s > call > e", xml=CALL % ALL)
    assert faults(one) == []
