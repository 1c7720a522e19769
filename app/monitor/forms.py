"""Makes a form from a JSON Schema, and variables from the values of the form.

Objects become groups of fields. Values without a suitable HTML field (lists, values of any type) are typed as JSON. The
start checks all variables again, as it does for API clients.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from marshmallow import ValidationError

from app.monitor.hints import flatten_messages, hint_of
from app.openapi.json_schema import JsonSchema
from telemetry.logs.redaction import redactor

#: prefix of the names of variables in the form
PREFIX = "v."
#: the HTML field type for a format of JSON Schema (2020-12, 7.3)
_TYPES = {"date": "date", "email": "email", "uri": "url"}
#: levels of nested objects that become groups; deeper objects are typed as JSON
_MAX_GROUPS = 3


@dataclass(slots=True)
class Field:
    """One field, or a group of fields. `name` is the name of the HTML field, with dots between the levels."""

    name: str
    label: str
    kind: str
    required: bool = False
    description: str = ""
    value: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    #: the value of each choice by its text; the values of an enum may be numbers
    choices: dict[str, Any] = field(default_factory=dict)
    fields: list[Field] = field(default_factory=list)
    hint: str = ""
    is_secret: bool = False
    errors: list[str] = field(default_factory=list)


def fields_of(schema: JsonSchema, given: Mapping[str, str] | None = None) -> list[Field]:
    """The fields for the variables of a start.

    Args:
        schema: the schema of the variables.
        given: values that were sent before, which fill the fields; None for the example of the schema.
    """
    if "properties" not in schema:
        whole = Field(f"{PREFIX}", "Variables, as JSON", "json", value="{}")
        whole.value = (given or {}).get(whole.name, whole.value)
        return [whole]
    example = (schema.get("examples") or [{}])[0]
    return _fields(schema, schema.get("$defs", {}), PREFIX, example, given, 0)


def variables_of(fields: list[Field], given: Mapping[str, str]) -> dict[str, Any]:
    """The variables in the values of a form. An empty field gives no variable.

    Raises:
        ValidationError: a value cannot be read; the messages are by the names of the variables.
    """
    if len(fields) == 1 and fields[0].name == PREFIX:
        return _object(fields[0], given)
    found: dict[str, Any] = {}
    errors: dict[str, Any] = {}
    for item in fields:
        try:
            value = _value(item, given)
        except ValidationError as error:
            errors[item.label] = error.messages
            continue
        if value is not None:
            found[item.label] = value
    if errors:
        raise ValidationError(errors)
    return found


def place(fields: list[Field], errors: Mapping[str, Any]) -> dict[str, Any]:
    """Assign errors, by the names of variables, to their fields, and return the errors without a field."""
    by_label = {item.label: item for item in fields}
    rest: dict[str, Any] = {}
    for name, messages in errors.items():
        item = by_label.get(name)
        if item is None:
            rest[name] = messages
        elif item.kind == "group" and isinstance(messages, Mapping):
            inner = place(item.fields, messages)
            rest |= {name: inner} if inner else {}
        else:
            item.errors = flatten_messages(messages)
    return rest


def _fields(
    schema: JsonSchema,
    parts: dict[str, JsonSchema],
    prefix: str,
    example: Any,
    given: Mapping[str, str] | None,
    level: int,
) -> list[Field]:
    required = set(schema.get("required", ()))
    example = example if isinstance(example, dict) else {}
    return [
        _field(name, _resolved(part, parts), parts, prefix, name in required, example.get(name), given, level)
        for name, part in schema["properties"].items()
        if not part.get("readOnly")
    ]


def _field(
    name: str,
    schema: JsonSchema,
    parts: dict[str, JsonSchema],
    prefix: str,
    required: bool,
    example: Any,
    given: Mapping[str, str] | None,
    level: int,
) -> Field:
    found = Field(f"{prefix}{name}", name, "text", required, schema.get("description", ""))
    found.is_secret = redactor().hides(name)
    types = schema.get("type", ())
    kinds = {types} if isinstance(types, str) else set(types)
    kind = next(iter(kinds - {"null"}), "")
    if "enum" in schema:
        found.kind = "select"
        found.choices = {_shown(choice, "select"): choice for choice in schema["enum"] if choice is not None}
    elif kind == "object" and "properties" in schema and level < _MAX_GROUPS:
        found.kind = "group"
        found.fields = _fields(schema, parts, f"{found.name}.", example, given, level + 1)
        return found
    elif kind == "boolean":
        found.kind, found.choices = "boolean", {"true": True, "false": False}
    elif kind in ("integer", "number"):
        found.kind = kind
        found.attributes = {
            "step": 1 if kind == "integer" else "any",
            "min": _whole_bound(schema, kind, "minimum", "exclusiveMinimum", 1),
            "max": _whole_bound(schema, kind, "maximum", "exclusiveMaximum", -1),
        }
    elif kind == "string":
        found.kind = _TYPES.get(schema.get("format", ""), "text")
        found.attributes = {
            "minlength": schema.get("minLength") or None,
            "maxlength": schema.get("maxLength"),
            "pattern": _html_pattern(schema.get("pattern")),
        }
    else:
        found.kind = "json"
    found.attributes = {key: value for key, value in found.attributes.items() if value is not None}
    found.hint = hint_of(schema, found.kind)
    found.value = (given or {}).get(found.name, "") if given is not None else _shown(example, found.kind)
    if found.is_secret and given is not None:
        # Do not send a secret back to the browser; the user types it again.
        found.value = ""
    return found


def _whole_bound(schema: JsonSchema, kind: str, bound: str, open_bound: str, inside: int) -> Any:
    """A bound for an HTML field, which has inclusive bounds only."""
    value = schema.get(open_bound)
    return value + inside if kind == "integer" and isinstance(value, int) else schema.get(bound)


def _resolved(schema: JsonSchema, parts: dict[str, JsonSchema]) -> JsonSchema:
    for options in ("allOf", "anyOf", "oneOf"):
        # A nested schema with a description, or one that may be null, has one option besides null.
        some = [option for option in schema.get(options, ()) if option.get("type") != "null"]
        if len(some) == 1:
            schema = {**some[0], **{key: value for key, value in schema.items() if key != options}}
    if "$ref" in schema:
        return {**parts.get(schema["$ref"].rpartition("/")[2], {}), **schema}
    return schema


def _html_pattern(pattern: str | None) -> str | None:
    # HTML patterns match the whole value and need no anchors.
    if pattern is None or not (pattern.startswith("^") and pattern.endswith("$")):
        return None
    return pattern[1:-1]


def _shown(example: Any, kind: str) -> str:
    if example is None:
        return ""
    return example if isinstance(example, str) and kind != "json" else json.dumps(example, ensure_ascii=False)


def _value(item: Field, given: Mapping[str, str]) -> Any:
    if item.kind == "group":
        return variables_of(item.fields, given) or None
    text = given.get(item.name, "")
    if item.kind == "text":
        return text or None
    if item.kind in ("select", "boolean"):
        # Keep a text that is not a choice; the start refuses it.
        return item.choices.get(text, text) if text else None
    text = text.strip()
    if not text:
        return None
    if item.kind in ("json", "integer", "number"):
        try:
            return json.loads(text)
        except ValueError as error:
            what = "JSON" if item.kind == "json" else f"a value of type {item.kind}"
            raise ValidationError([f"Must be {what}: {error}"]) from None
    return text


def _object(item: Field, given: Mapping[str, str]) -> dict[str, Any]:
    try:
        found = json.loads(given.get(item.name, "") or "{}")
    except ValueError as error:
        raise ValidationError({item.label: [f"Must be JSON: {error}"]}) from None
    if not isinstance(found, dict):
        raise ValidationError({item.label: ["Must be a JSON object."]})
    return found
