"""The element template of a step: each property follows from the schemas and the source of the step."""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal

import pytest
from marshmallow import Schema, fields, validate

from camunda_bridge import BusinessRuleError, define_worker
from camunda_bridge.element_templates import juel, template_of
from camunda_bridge.steps import StepOwner


class Color(Enum):
    RED = "red"
    BLUE = "blue"


def template(*, all_outputs: bool = False, handler: Any = lambda given: {}, **options: Any) -> dict[str, Any]:
    """The template of a step `charge-card` of the worker `payments`."""
    worker = define_worker("payments")
    worker.step("charge-card", **options)(handler)
    return only(worker, all_outputs=all_outputs)


def only(owner: StepOwner, *, all_outputs: bool = False) -> dict[str, Any]:
    (step,) = owner.steps.values()
    return template_of(owner, step, all_outputs=all_outputs)


def bound(found: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """The properties with a kind of binding, by label or by the name in the binding."""
    members = [it for it in found["properties"] if it["binding"]["type"] == kind]
    return {it.get("label") or it["binding"]["name"]: it for it in members}


def inputs(**items: fields.Field[Any]) -> dict[str, dict[str, Any]]:
    return bound(template(input_schema=type(Schema.from_dict(items)())), "camunda:inputParameter")


def test_topic_and_type_are_hidden_and_the_name_can_be_changed() -> None:
    found = template()
    assert found["id"] == "celery-camunda:charge-card"
    assert found["name"] == "Charge card (payments)"
    assert found["elementType"] == {"value": "bpmn:ServiceTask"}
    properties = bound(found, "property")
    assert (properties["camunda:type"]["type"], properties["camunda:type"]["value"]) == ("Hidden", "external")
    assert (properties["camunda:topic"]["type"], properties["camunda:topic"]["value"]) == ("Hidden", "charge-card")
    assert (properties["Name"]["type"], properties["Name"]["value"]) == ("String", "Charge card")
    assert "value" not in properties["Priority"]


def test_a_change_of_the_schema_changes_the_property() -> None:
    before = inputs(amount=fields.Integer(required=True))["amount"]
    assert before == {
        "label": "amount",
        "description": "Whole number.",
        "group": "input",
        "type": "String",
        "value": "${amount}",
        "constraints": {"notEmpty": True},
        "binding": {"type": "camunda:inputParameter", "name": "amount"},
    }
    described = fields.Integer(required=True, metadata={"description": "In cents"}, validate=validate.Range(1, 500))
    assert inputs(amount=described)["amount"] == {**before, "description": "In cents. Whole number, 1 to 500."}
    few = inputs(amount=fields.Integer(required=True, validate=validate.OneOf([5, 10])))["amount"]
    assert few["type"] == "Dropdown"
    assert few["choices"] == [
        {"name": "the variable amount", "value": "${amount}"},
        {"name": "5", "value": "${5}"},
        {"name": "10", "value": "${10}"},
    ]
    optional = inputs(amount=fields.Integer(load_default=7))["amount"]
    assert optional["value"] == '${execution.hasVariable("amount") ? amount : 7}'
    assert optional["description"] == "Whole number. Optional, without it 7."
    assert "constraints" not in optional
    assert list(inputs(total=fields.Integer(required=True))) == ["total"]
    assert list(inputs(cents=fields.Integer(required=True, data_key="amount-in-cents"))) == ["amount-in-cents"]


@pytest.mark.parametrize(
    ("item", "kind", "choices"),
    [
        (fields.Boolean(required=True), "Dropdown", {"true": "${true}", "false": "${false}"}),
        (fields.Enum(Color, by_value=True, required=True), "Dropdown", {"red": "red", "blue": "blue"}),
        (fields.Enum(Color, required=True), "Dropdown", {"RED": "RED", "BLUE": "BLUE"}),
        (
            fields.String(required=True, validate=validate.OneOf(["", " a", "${b}", "c"], labels=["none"])),
            "Dropdown",
            {"none": '${""}', " a": '${" a"}', "${b}": '${"${b}"}', "c": "c"},
        ),
        (fields.String(required=True), "String", None),
        (fields.String(required=True, validate=validate.Length(max=1_000)), "Text", None),
        (fields.List(fields.String(), required=True), "Text", None),
        (fields.Nested(Schema.from_dict({"sku": fields.String()}), required=True), "Text", None),
    ],
)
def test_the_type_of_a_field_decides_how_it_is_edited(
    item: fields.Field[Any], kind: str, choices: dict[str, str] | None
) -> None:
    found = inputs(x=item)["x"]
    assert found["type"] == kind
    shown = {it["name"]: it["value"] for it in found["choices"][1:]} if "choices" in found else None
    assert shown == choices


@pytest.mark.parametrize(
    ("item", "mapping"),
    [
        (fields.String(load_default="EUR"), '${execution.hasVariable("x") ? x : "EUR"}'),
        (fields.Boolean(load_default=False), '${execution.hasVariable("x") ? x : false}'),
        (fields.Enum(Color, by_value=True, load_default=Color.BLUE), '${execution.hasVariable("x") ? x : "blue"}'),
        (fields.String(load_default=None), '${execution.getVariable("x")}'),
        (fields.Raw(required=True), '${execution.getVariableTyped("x", false)}'),
    ],
)
def test_without_a_change_the_step_gets_what_it_gets_without_a_template(item: fields.Field[Any], mapping: str) -> None:
    assert inputs(x=item)["x"]["value"] == mapping


@pytest.mark.parametrize("item", [fields.Integer(), fields.List(fields.Integer(), load_default=list)])
def test_a_field_that_must_be_missing_without_its_variable_is_not_mapped(item: fields.Field[Any]) -> None:
    found = template(input_schema=type(Schema.from_dict({"x": item})()))
    assert bound(found, "camunda:inputParameter") == {}
    assert "Reads the variables x if they exist." in found["description"]


def test_a_partial_schema_requires_nothing() -> None:
    class Given(Schema):
        amount = fields.Integer(required=True)

        def __init__(self) -> None:
            super().__init__(partial=True)

    assert bound(template(input_schema=Given), "camunda:inputParameter") == {}


def test_named_parameters_are_fields_too() -> None:
    def charge(amount: int, currency: Literal["EUR", "GBP"] = "EUR") -> dict[str, Any]:
        """Charge the card.

        Twice is once, by the idempotency key.
        """
        return {"paymentId": f"{amount} {currency}"}

    found = template(handler=charge)
    assert list(bound(found, "camunda:inputParameter")) == ["amount", "currency"]
    assert found["description"] == "Charge the card. Result: paymentId. Errors: VALIDATION_ERROR."


def test_an_output_is_mapped_if_it_would_not_leave_the_task_otherwise() -> None:
    class Given(Schema):
        status = fields.String(required=True)

    class Result(Schema):
        status = fields.String(required=True)
        payment = fields.String(required=True, data_key="paymentId")

    options = {"input_schema": Given, "output_schema": Result}
    assert list(bound(template(**options), "camunda:outputParameter")) == ["status"]
    assert list(bound(template(scope="local", **options), "camunda:outputParameter")) == ["status", "paymentId"]
    every = bound(template(all_outputs=True, **options), "camunda:outputParameter")
    assert every["paymentId"] == {
        "label": "paymentId",
        "description": "Text.",
        "value": "paymentId",
        "binding": {"type": "camunda:outputParameter", "source": '${execution.getVariableTyped("paymentId", false)}'},
    }


def test_each_error_code_is_declared_and_thrown_by_nothing() -> None:
    def charge(given: dict[str, Any]) -> None:
        raise BusinessRuleError("NO_MONEY", "no")

    found = template(handler=charge, error_codes=["NO", "not a name"])
    errors = bound(found, "camunda:errorEventDefinition")
    assert list(errors) == ["NO", "NO_MONEY", "not a name"]
    assert {it["value"] for it in errors.values()} == {"${false}"}
    references = [it["binding"]["errorRef"] for it in errors.values()]
    assert [scope["id"] for scope in found["scopes"]] == references
    assert [scope["properties"][0]["value"] for scope in found["scopes"]] == list(errors)
    # The Modeler takes the first error whose id begins with the reference.
    assert not any(a != b and b.startswith(a) for a in references for b in references)


def test_names_that_are_no_identifiers_are_read_by_name() -> None:
    assert juel.variable("first-name") == '${execution.getVariable("first-name")}'
    assert juel.variable("empty") == '${execution.getVariable("empty")}'
    assert juel.literal('say "hi" \\ ') == '${"say \\"hi\\" \\\\ "}'
    assert juel.literal(2**63) is None
