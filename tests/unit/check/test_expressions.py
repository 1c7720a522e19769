"""Expressions that read a variable: what nothing sets is found, where the engine would fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from camunda_bridge.bpmn.expressions import needed_names
from tests.unit.check.bench import Drawing, faults

TASK = (
    '<serviceTask id="a" camunda:type="external" camunda:topic="{key}.a">'
    "<extensionElements>{inside}</extensionElements>{loop}</serviceTask>"
)
IO = "<camunda:inputOutput>{inside}</camunda:inputOutput>"


def drawn(tmp_path: Path, inside: str, loop: str = "") -> Drawing:
    """A process with the field `id`, and `perhaps` in some starts; its step `a` gives `x`."""
    drawing = Drawing(tmp_path, start="id perhaps?").step("a", gives="x")
    return drawing.draw("start:s end:e", "s > a > e", xml=TASK.replace("{inside}", inside).replace("{loop}", loop))


def mapping(kind: str, name: str, text: str) -> str:
    """An input or output mapping."""
    return f'<camunda:{kind}Parameter name="{name}">{text}</camunda:{kind}Parameter>'


@pytest.mark.parametrize(
    ("inside", "missing"),
    [
        (mapping("input", "y", "${id}"), []),
        (mapping("input", "y", "${amount}"), ["amount"]),
        (mapping("input", "y", "${x}"), ["x"]),
        (mapping("input", "y", "${perhaps}"), ["perhaps"]),
        (mapping("input", "y", "${id}") + mapping("input", "z", "${y}"), []),
        (mapping("input", "z", "${y}") + mapping("input", "y", "${id}"), ["y"]),
        (mapping("input", "y", "<camunda:list><camunda:value>${amount}</camunda:value></camunda:list>"), ["amount"]),
        (mapping("input", "y", '<camunda:script scriptFormat="groovy">"${amount}"</camunda:script>'), []),
        (mapping("output", "z", "${x}"), []),
        (mapping("output", "z", "${gone}"), ["gone"]),
        (mapping("input", "y", "1") + mapping("output", "z", "${y + x}"), []),
        (mapping("output", "y", "${x}") + mapping("output", "z", "${y}"), []),
    ],
)
def test_mapping_reads_what_is_set_before_it(tmp_path: Path, inside: str, missing: list[str]) -> None:
    assert faults(drawn(tmp_path, IO.replace("{inside}", inside))) == [("a", name) for name in missing]


@pytest.mark.parametrize(
    ("event", "text", "missing"),
    [
        ("start", "${log.info(id)}", []),
        ("start", "${log.info(x)}", ["x"]),
        ("end", "${log.info(x)}", []),
        ("end", "${log.info(y)}", ["y"]),
    ],
)
def test_listener_reads_what_is_set_before_it(tmp_path: Path, event: str, text: str, missing: list[str]) -> None:
    inside = f'<camunda:executionListener event="{event}" expression="{text}"/>'
    assert faults(drawn(tmp_path, inside)) == [("a", name) for name in missing]


@pytest.mark.parametrize(
    ("loop", "missing"),
    [
        ('<multiInstanceLoopCharacteristics camunda:collection="items"/>', ["items"]),
        ('<multiInstanceLoopCharacteristics camunda:collection="${items}"/>', ["items"]),
        ('<multiInstanceLoopCharacteristics camunda:collection="id"/>', []),
        (
            "<multiInstanceLoopCharacteristics><loopCardinality>2</loopCardinality>"
            "<completionCondition>${nrOfCompletedInstances &gt; least}</completionCondition>"
            "</multiInstanceLoopCharacteristics>",
            ["least"],
        ),
    ],
)
def test_loop_reads_what_is_set_before_it(tmp_path: Path, loop: str, missing: list[str]) -> None:
    assert faults(drawn(tmp_path, "", loop)) == [("a", name) for name in missing]


def test_condition_reads_what_is_set_before_its_gateway(tmp_path: Path) -> None:
    flows = "".join(
        f'<sequenceFlow id="if-{name}" sourceRef="split" targetRef="e-{name}">'
        f'<conditionExpression>${{{name} == 1}}</conditionExpression></sequenceFlow><endEvent id="e-{name}"/>'
        for name in ("x", "gone", "perhaps")
    )
    drawing = Drawing(tmp_path, start="id perhaps?").step("a", gives="x")
    drawing.draw("start:s task:a xor:split", "s > a > split", xml=flows)
    assert faults(drawing) == [("split", "gone"), ("split", "perhaps")]


def test_call_timer_topic_and_user_task_read_what_is_set_before_them(tmp_path: Path) -> None:
    xml = (
        '<callActivity id="call" calledElement="${which}"><extensionElements>'
        '<camunda:in sourceExpression="${amount + 1}" target="t"/></extensionElements></callActivity>'
        '<intermediateCatchEvent id="wait"><timerEventDefinition><timeDuration>${delay}</timeDuration>'
        "</timerEventDefinition></intermediateCatchEvent>"
        '<serviceTask id="b" camunda:type="external" camunda:topic="${where}"/>'
        '<userTask id="person" camunda:assignee="${who}"/>'
    )
    drawing = Drawing(tmp_path, start="id")
    # Each element begins a path of its own, because a called process or a user may set any variable.
    drawing.draw(
        "start:s and:fork end:e", "s > fork > call > e", "fork > wait > e", "fork > b > e", "fork > person > e", xml=xml
    )
    assert faults(drawing) == [
        ("call", "which"),
        ("call", "amount"),
        ("wait", "delay"),
        ("b", "where"),
        ("person", "who"),
    ]


def test_variable_of_an_error_or_an_escalation_is_set_behind_its_event(tmp_path: Path) -> None:
    xml = (
        '<boundaryEvent id="caught" attachedToRef="a"><errorEventDefinition errorRef="e" '
        'camunda:errorCodeVariable="why"/></boundaryEvent>'
        '<boundaryEvent id="raised" attachedToRef="a"><escalationEventDefinition '
        'camunda:escalationCodeVariable="which"/></boundaryEvent>'
        '<userTask id="first" camunda:assignee="${why}"/><userTask id="second" camunda:assignee="${which}"/>'
        '<userTask id="third" camunda:assignee="${why}"/>'
    )
    drawing = Drawing(tmp_path, start="id").step("a", gives="x")
    drawing.draw("start:s task:a end:z", "s > a > third > z", "caught > first > z", "raised > second > z", xml=xml)
    assert faults(drawing) == [("third", "why")]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("${a}", ["a"]),
        ("#{a.b > c}", ["a", "c"]),
        ("${bean.send(a)}", ["a"]),
        ("${executionContext.prop('priority').numberValue()}", []),
        ("${bean.part.send(a)}", ["a"]),
        ("${fn:upper(a)} ${now()}", ["a"]),
        ("${execution.hasVariable('a') ? a : null}", []),
        ("${execution.getVariable('a') == 'b'}", []),
        ('${empty a || a == "c"}', ["a"]),
        ("a {b} $c", []),
        ("${S(a).prop('b').value()}", ["a"]),
    ],
)
def test_variables_that_an_expression_needs(text: str, names: list[str]) -> None:
    assert needed_names(text) == names
