"""Converts marshmallow schemas to JSON Schema (2020-12), so that clients and their tools can check variables.

apispec does the conversion. This module adds what it leaves out: patterns, exclusive bounds, and `additionalProperties`
for schemas that refuse or allow unknown fields.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import INCLUDE, RAISE, Schema, fields, validate

JsonSchema = dict[str, Any]

#: the place of named schemas in an OpenAPI document
COMPONENTS = "#/components/schemas/"
#: `\A` and `\Z` of Python, which ECMA-262 does not have
_BEGIN = re.compile(r"(?<!\\)((?:\\\\)*)\\A")
_END = re.compile(r"(?<!\\)((?:\\\\)*)\\Z")


@dataclass(frozen=True, slots=True)
class Described:
    """A JSON Schema, and the schemas that it refers to by name (below :data:`COMPONENTS`)."""

    root: JsonSchema
    parts: dict[str, JsonSchema] = field(default_factory=dict)

    def alone(self) -> JsonSchema:
        """The schema as one self-contained document, with the parts in its `$defs`."""
        if not self.parts:
            return self.root
        return {**_moved(self.root), "$defs": {name: _moved(part) for name, part in self.parts.items()}}


class _Converter(OpenAPIConverter):
    """apispec's converter, with the additions of this module."""

    def schema2jsonschema(self, schema: Any) -> JsonSchema:
        described: JsonSchema = super().schema2jsonschema(schema)  # type: ignore[no-untyped-call]
        instance = schema() if isinstance(schema, type) else schema
        if instance.unknown in (RAISE, INCLUDE):
            described["additionalProperties"] = instance.unknown == INCLUDE
        text = (type(instance).__doc__ or "").strip()
        if text:
            described.setdefault("description", text.partition("\n\n")[0])
        return described

    def field2pattern(self, field: Any, **_: Any) -> JsonSchema:
        patterns = [
            ecma_pattern(str(validator.regex.pattern))
            for validator in field.validators
            if isinstance(validator, validate.Regexp) and not validator.regex.flags & re.IGNORECASE
        ]
        if len(patterns) > 1:
            return {"allOf": [{"pattern": pattern} for pattern in patterns]}
        return {"pattern": patterns[0]} if patterns else {}

    def field2range(self, field: Any, ret: JsonSchema) -> JsonSchema:
        found: JsonSchema = super().field2range(field, ret=ret)
        for validator in field.validators:
            if isinstance(validator, validate.Range):
                if not validator.min_inclusive and "minimum" in found:
                    found["exclusiveMinimum"] = found.pop("minimum")
                if not validator.max_inclusive and "maximum" in found:
                    found["exclusiveMaximum"] = found.pop("maximum")
        return found

    def field2choices(self, field: Any, **given: Any) -> JsonSchema:
        found: JsonSchema = super().field2choices(field, **given)
        for validator in field.validators:
            if isinstance(validator, validate.NoneOf):
                found["not"] = {"enum": list(validator.iterable)}
        return found


class _Plugin(MarshmallowPlugin):
    Converter = _Converter


def describe(schema: Schema, name: str) -> Described:
    """Convert `schema` to JSON Schema; nested schemas get the name ``<name>.<class>``."""
    plugin = _Plugin(schema_name_resolver=_named(name))
    spec = APISpec(name, "1", "3.1.0", plugins=[plugin])
    converter = plugin.converter
    assert isinstance(converter, _Converter)  # noqa: S101 - apispec's type is optional until the spec exists
    converter.map_to_openapi_type(fields.URL, "string", "uri")  # type: ignore[no-untyped-call]
    root = converter.schema2jsonschema(schema)
    return Described(root, dict(spec.components.schemas))


def ecma_pattern(regex: str) -> str:
    """Convert a Python pattern to ECMA-262, anchored: JSON Schema searches, while `Regexp` matches from the start."""
    text = _END.sub(r"\1$", _BEGIN.sub(r"\1^", regex))
    return text if text.startswith("^") and "|" not in text else f"^(?:{text})"


def _named(prefix: str) -> Callable[[Any], str]:
    def name(schema: Any) -> str:
        kind = schema if isinstance(schema, type) else type(schema)
        return f"{prefix}.{kind.__name__}"

    return name


def _moved(node: Any) -> Any:
    """`node`, with its references to components changed to references to `$defs`."""
    if isinstance(node, dict):
        return {
            key: value.replace(COMPONENTS, "#/$defs/") if key == "$ref" and isinstance(value, str) else _moved(value)
            for key, value in node.items()
        }
    return [_moved(item) for item in node] if isinstance(node, list) else node
