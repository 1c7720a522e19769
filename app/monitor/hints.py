"""Texts for a field of a form: hints about allowed values, from its JSON Schema, and error messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.openapi.json_schema import JsonSchema

#: descriptions of formats of JSON Schema (2020-12, 7.3)
_FORMATS = {
    "date": "a date, such as 2026-01-31",
    "date-time": "a time with its zone, such as 2026-01-31T10:00:00Z",
    "time": "a time of day, such as 10:00:00",
    "email": "an e-mail address",
    "uri": "a URL",
    "uuid": "a UUID",
    "ipv4": "an IPv4 address",
    "ipv6": "an IPv6 address",
}


def hint_of(schema: JsonSchema, kind: str) -> str:
    """The format and limits of a field as text; empty if it has none."""
    return "; ".join(_limits(schema, kind))


def _limits(schema: JsonSchema, kind: str) -> Iterator[str]:
    if "enum" in schema:
        return
    if kind == "json":
        yield "as JSON"
    if kind == "integer":
        yield "a whole number"
    if schema.get("format") in _FORMATS:
        yield _FORMATS[schema["format"]]
    for low, high, unit in (
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " items"),
    ):
        least, most = schema.get(low), schema.get(high)
        if unit and not least:
            least = None
        if least is not None and most is not None:
            yield f"{least}{unit}" if least == most else f"{least} to {most}{unit}"
        elif least is not None:
            yield f"at least {least}{unit}"
        elif most is not None:
            yield f"at most {most}{unit}"
    if "exclusiveMinimum" in schema:
        yield f"more than {schema['exclusiveMinimum']}"
    if "exclusiveMaximum" in schema:
        yield f"less than {schema['exclusiveMaximum']}"
    if "pattern" in schema:
        yield f"matches {schema['pattern']}"


def flatten_messages(messages: Any) -> list[str]:
    """The error messages of marshmallow about one value as a list, each with the path to the wrong part."""
    if isinstance(messages, dict):
        return [f"{name}: {text}" for name, inner in messages.items() for text in flatten_messages(inner)]
    if isinstance(messages, list | tuple):
        return [text for inner in messages for text in flatten_messages(inner)]
    return [str(messages)]
