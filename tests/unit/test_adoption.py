"""What `flask process adopt` reads from a diagram: variables, kinds, error codes, and the ways through it."""

from __future__ import annotations

from typing import Any

import pytest

from camunda_bridge.bpmn import read_diagram
from camunda_bridge.bpmn.expressions import names
from service.adoption.expressions import candidates, evaluate
from service.adoption.sketch import ProcessSketch, sketch
from service.adoption.trials import trials
from service.errors import NotReadable
from tests.contract.bpmn import Part, boundary, error_end, external, process

FORM = (
    '<extensionElements><camunda:formData><camunda:formField id="amount" type="long"><camunda:validation>'
    '<camunda:constraint name="required"/></camunda:validation></camunda:formField>'
    '<camunda:formField id="express" type="boolean"/></camunda:formData></extensionElements>'
)


def read(*parts: Part, shared: set[str] | None = None) -> ProcessSketch:
    text = process("claim", *parts)
    return sketch(read_diagram(text, "claim"), "claim.bpmn", shared=shared or set())


def choice(condition: str) -> Part:
    """An exclusive gateway: with the condition to the step `yes`, otherwise to what comes next."""
    flow = f"<conditionExpression>{condition}</conditionExpression>"
    return Part(
        "choice",
        '<exclusiveGateway id="choice" default="choice-to-no"/><serviceTask id="yes" camunda:type="external" '
        'camunda:topic="{key}.yes"/><sequenceFlow id="choice-to-yes" sourceRef="choice" targetRef="yes">'
        f"{flow}</sequenceFlow>",
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("plain", []),
        ("${a}", ["a"]),
        ("${a > b && a != 'c'} and #{d.e}", ["a", "b", "d"]),
        ("${execution.getVariable('x') == null || now() > y.prop(\"z\").value()}", ["x", "y"]),
        ("${empty list or not flag}", ["list", "flag"]),
    ],
)
def test_variables_of_an_expression(text: str, found: list[str]) -> None:
    assert sorted(names(text)) == sorted(found)


@pytest.mark.parametrize(
    ("text", "values", "result"),
    [
        ("${amount >= 100 && !vip}", {"amount": 100, "vip": False}, True),
        ("${kind eq 'a' or kind ne 'b'}", {"kind": "b"}, False),
        ("#{x lt -1}", {"x": -2}, True),
        ("${x == null}", {"x": None}, True),
        ("${text == 'a && b'}", {"text": "a && b"}, True),
    ],
)
def test_condition_has_the_value_that_the_engine_gives_it(text: str, values: dict[str, Any], result: bool) -> None:
    assert evaluate(text, values) is result


@pytest.mark.parametrize("text", ["${f(x)}", "x", "${x", "${a.b}", "${unknown}", "${'a' > 1}"])
def test_condition_that_is_not_read_is_refused(text: str) -> None:
    with pytest.raises(NotReadable):
        evaluate(text, {"x": 1, "a": 2})


def test_values_that_decide_a_condition_are_tried() -> None:
    assert dict(candidates("${a > -5 && b == 'x' && c}")) == {
        "a": [-5, -4, -6],
        "b": ["x", "other than x"],
        "c": [True, False],
    }


def test_topics_become_steps_and_those_of_workers_do_not() -> None:
    mail = external("mail", topic="send-mail")
    again = external("mail-again", topic="send-mail")
    found = read(external("check-it"), mail, again, external("any", topic="${x}"), external("2nd", topic="class"))
    assert [(step.name, step.topic, step.function) for step in found.steps] == [
        ("check-it", "claim.check-it", "check_it"),
        ("send-mail", "send-mail", "send_mail"),
        ("class", "class", "step_class"),
    ]
    assert [node.id for node in found.steps[1].elements] == ["mail", "mail-again"]
    assert [step.name for step in read(mail, external("a"), shared={"send-mail"}).steps] == ["a"]


@pytest.mark.parametrize(
    ("condition", "kind"),
    [("${ok}", "Boolean"), ("${ok == 'yes'}", "String"), ("${ok > 3}", "Float"), ("${ok.size() > 3}", "Raw")],
)
def test_step_before_a_condition_returns_what_it_reads(condition: str, kind: str) -> None:
    found = read(external("a"), external("b"), choice(condition), external("no"))
    assert [(step.name, step.outputs) for step in found.steps] == [
        ("a", {}),
        ("b", {"ok": kind}),
        ("yes", {}),
        ("no", {}),
    ]


def test_condition_before_every_step_reads_a_variable_of_the_start() -> None:
    found = read(choice("${express}"), external("no"))
    assert (found.start, found.form) == ({"express": "Boolean"}, set())


def test_form_of_the_start_gives_its_fields() -> None:
    text = process("claim", external("a")).replace(
        '<startEvent id="process-start"/>', f'<startEvent id="process-start">{FORM}</startEvent>'
    )
    found = sketch(read_diagram(text, "claim"), "claim.bpmn", shared=set())
    assert found.start == {"amount": "Integer", "express": "Boolean"}
    assert (found.form, found.required) == ({"amount", "express"}, {"amount"})


def test_mappings_show_inputs_and_outputs() -> None:
    inside = (
        '<extensionElements><camunda:inputOutput><camunda:inputParameter name="total">${amount + tax}'
        '</camunda:inputParameter><camunda:inputParameter name="lines"><camunda:list/></camunda:inputParameter>'
        '<camunda:outputParameter name="receipt">${number}</camunda:outputParameter></camunda:inputOutput></extensionElements>'
    )
    first, second = read(external("first"), external("pay", inside)).steps
    assert (first.outputs, second.inputs, second.outputs) == (
        {"amount": "Float", "tax": "Float"},
        {"total": "Raw", "lines": "List"},
        {"number": "Raw"},
    )


def test_error_codes_that_are_caught_are_shown() -> None:
    pay, _ = read(external("pay"), boundary("pay", external("sorry"), code="NO_MONEY")).steps
    assert list(pay.codes) == ["NO_MONEY"]


def test_trials_take_every_way_once() -> None:
    found = trials(
        read(
            external("a"),
            boundary("a", external("sorry"), error_end("bad", "REFUSED"), code="NO_MONEY"),
            choice("${amount >= 100}"),
            external("no"),
        )
    )
    assert [(it.values, it.error and it.error[1], it.steps, it.status, it.last) for it in found] == [
        ({"amount": 100}, None, ["a", "yes"], "ok", "yes"),
        ({"amount": 100}, "NO_MONEY", ["a", "sorry"], "error", "bad"),
        ({"amount": 99}, None, ["a", "no"], "ok", "process-end"),
    ]


def test_trial_ends_before_what_is_not_read() -> None:
    script = Part("s", '<scriptTask id="s" scriptFormat="groovy"><script>x = 1</script></scriptTask>')
    (found,) = trials(read(external("a"), script, external("b")))
    assert (found.steps, found.status) == (["a"], "")
    assert trials(read(script, external("b"))) == []


def test_loop_that_no_value_leaves_is_no_trial() -> None:
    back = '<sequenceFlow id="back" sourceRef="a" targetRef="a"/>'
    assert trials(read(Part("a", external("a").xml + back))) == []
