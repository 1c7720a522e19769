"""A form has the fields of a process's schema, and returns variables of the right types."""

from __future__ import annotations

from typing import Any

import pytest
from marshmallow import Schema, ValidationError, fields, validate

from app.monitor.forms import Field, fields_of, place, variables_of
from app.openapi.json_schema import describe


class Address(Schema):
    city = fields.String(required=True)
    floor = fields.Integer()


class Order(Schema):
    name = fields.String(required=True, validate=[validate.Length(1, 40), validate.Regexp(r"\A[a-z]+\Z")])
    amount = fields.Integer(validate=validate.Range(1, 9))
    price = fields.Float()
    express = fields.Boolean()
    kind = fields.String(validate=validate.OneOf(["book", "toy"]))
    due = fields.Date()
    note = fields.String(allow_none=True)
    address = fields.Nested(Address, required=True)
    lines = fields.List(fields.Integer())


@pytest.fixture
def schema() -> dict[str, Any]:
    return describe(Order(), "Order").alone()


def by_name(found: list[Field]) -> dict[str, Field]:
    flat = {item.name: item for item in found}
    for item in found:
        flat |= by_name(item.fields)
    return flat


def test_each_type_has_a_field_of_its_kind(schema: dict[str, Any]) -> None:
    found = by_name(fields_of(schema))

    assert {name: item.kind for name, item in found.items()} == {
        "v.name": "text",
        "v.amount": "integer",
        "v.price": "number",
        "v.express": "boolean",
        "v.kind": "select",
        "v.due": "date",
        "v.note": "text",
        "v.address": "group",
        "v.address.city": "text",
        "v.address.floor": "integer",
        "v.lines": "json",
    }
    assert found["v.name"].required
    assert found["v.name"].attributes == {"minlength": 1, "maxlength": 40, "pattern": "[a-z]+"}
    assert found["v.amount"].attributes == {"step": 1, "min": 1, "max": 9}
    assert list(found["v.kind"].choices) == ["book", "toy"]


def test_choices_keep_their_types() -> None:
    schema = {"properties": {"level": {"enum": [1, 2.5, True, "1.0", None]}}}
    (level,) = fields_of(schema)

    assert list(level.choices) == ["1", "2.5", "true", "1.0"]
    for text, value in (("1", 1), ("2.5", 2.5), ("true", True), ("1.0", "1.0"), ("other", "other")):
        (got,) = variables_of([level], {"v.level": text}).values()
        assert (got, type(got)) == (value, type(value))


@pytest.mark.parametrize(
    ("schema", "hint"),
    [
        ({"type": "string", "minLength": 0, "maxLength": 40}, "at most 40 characters"),
        ({"type": "string", "minLength": 2, "maxLength": 2, "pattern": "^[A-Z]+$"}, "2 characters; matches ^[A-Z]+$"),
        ({"type": "string", "format": "date-time"}, "a time with its zone, such as 2026-01-31T10:00:00Z"),
        ({"type": "integer", "minimum": 0, "maximum": 9}, "a whole number; 0 to 9"),
        ({"type": "number", "exclusiveMinimum": 0}, "more than 0"),
        ({"type": "array", "minItems": 1}, "as JSON; at least 1 items"),
        ({"type": "string"}, ""),
    ],
)
def test_format_and_limits_are_shown(schema: dict[str, Any], hint: str) -> None:
    (found,) = fields_of({"properties": {"x": schema}})

    assert found.hint == hint


def test_open_bounds_of_whole_numbers_are_those_of_the_field() -> None:
    (found,) = fields_of({"properties": {"x": {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 10}}})

    assert found.attributes == {"step": 1, "min": 1, "max": 9}


def test_secret_is_not_sent_back() -> None:
    schema = {"properties": {"apiKey": {"type": "string"}, "pin": {"type": "string"}}}
    secret, other = fields_of(schema, {"v.apiKey": "hush", "v.pin": "1"})

    assert (secret.is_secret, secret.value) == (True, "")
    assert (other.is_secret, other.value) == (False, "1")


def test_errors_are_shown_at_their_fields(schema: dict[str, Any]) -> None:
    found = fields_of(schema)
    rest = place(
        found,
        {
            "name": ["Too short."],
            "address": {"city": ["Missing."], "planet": ["Unknown field."]},
            "lines": {0: ["Not a valid integer."]},
            "other": ["Unknown field."],
        },
    )

    fields_by_name = by_name(found)
    assert fields_by_name["v.name"].errors == ["Too short."]
    assert fields_by_name["v.address.city"].errors == ["Missing."]
    assert fields_by_name["v.lines"].errors == ["0: Not a valid integer."]
    assert rest == {"address": {"planet": ["Unknown field."]}, "other": ["Unknown field."]}


def test_fields_give_values_of_their_types_and_empty_ones_none(schema: dict[str, Any]) -> None:
    given = {
        "v.name": "ada",
        "v.amount": "3",
        "v.price": "1.5",
        "v.express": "false",
        "v.kind": "",
        "v.due": "2026-01-02",
        "v.note": "  kept as typed ",
        "v.address.city": "Bern",
        "v.address.floor": "",
        "v.lines": "[1, 2]",
    }

    assert variables_of(fields_of(schema, given), given) == {
        "name": "ada",
        "amount": 3,
        "price": 1.5,
        "express": False,
        "due": "2026-01-02",
        "note": "  kept as typed ",
        "address": {"city": "Bern"},
        "lines": [1, 2],
    }


def test_field_that_cannot_be_read_is_named(schema: dict[str, Any]) -> None:
    given = {"v.amount": "many", "v.lines": "[1,", "v.address.floor": "x"}

    with pytest.raises(ValidationError) as caught:
        variables_of(fields_of(schema, given), given)

    assert set(caught.value.messages_dict) == {"amount", "lines", "address"}
    assert set(caught.value.messages_dict["address"]) == {"floor"}


def test_form_begins_with_the_example_and_keeps_its_values(schema: dict[str, Any]) -> None:
    schema["examples"] = [{"name": "ada", "amount": 2, "address": {"city": "Bern"}, "lines": [1]}]

    example = by_name(fields_of(schema))
    typed = by_name(fields_of(schema, {"v.name": "x"}))

    assert [example[f"v.{name}"].value for name in ("name", "amount", "address.city", "lines")] == [
        "ada",
        "2",
        "Bern",
        "[1]",
    ]
    assert (typed["v.name"].value, typed["v.amount"].value) == ("x", "")


@pytest.mark.parametrize(("text", "expected"), [('{"a": 1}', {"a": 1}), ("", {})])
def test_process_without_a_schema_takes_one_document(text: str, expected: dict[str, Any]) -> None:
    given = {"v.": text}

    assert variables_of(fields_of({"type": "object"}, given), given) == expected


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_that_document_must_be_an_object(text: str) -> None:
    with pytest.raises(ValidationError):
        variables_of(fields_of({"type": "object"}), {"v.": text})
