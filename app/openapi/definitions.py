"""Describes the registered processes: for `GET /api/process/definitions`, and for starts in `/openapi.json`."""

from __future__ import annotations

import re
from typing import Any

from app.openapi.json_schema import COMPONENTS, Described, JsonSchema, describe
from service.catalogue import MAX_NAME, RESERVED_VARIABLE, ProcessDefinition, all_processes

#: a character that the name of a component cannot have (OpenAPI 3.1, 4.8.7)
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]")


def definitions() -> list[dict[str, Any]]:
    """Every registered process, sorted by key."""
    return [_document(process) for process in all_processes()]


def typed_starts(start: JsonSchema) -> tuple[JsonSchema, dict[str, JsonSchema], dict[str, Any]]:
    """The schema of a start's body with one alternative for each process, the schemas it refers to, and the examples.

    Args:
        start: the schema of a start of any process; each alternative gets its own `processKey` and `variables`.
    """
    parts: dict[str, JsonSchema] = {}
    mapping: dict[str, str] = {}
    examples: dict[str, Any] = {}
    for process in all_processes():
        name = _NOT_IN_NAMES.sub("_", process.key)
        described = _variables(process)
        parts |= described.parts
        parts[f"Variables.{name}"] = described.root
        parts[f"Start.{name}"] = _start_of(process, start, f"{COMPONENTS}Variables.{name}")
        mapping[process.key] = f"{COMPONENTS}Start.{name}"
        examples[name] = {
            "summary": process.process_name,
            "value": {"processKey": process.key, "variables": process.example},
        }
    if not mapping:
        return start, {}, {}
    choice = {
        "description": start.get("description", ""),
        "oneOf": [{"$ref": ref} for ref in mapping.values()],
        "discriminator": {"propertyName": "processKey", "mapping": mapping},
    }
    return choice, parts, examples


def _start_of(process: ProcessDefinition, start: JsonSchema, variables: str) -> JsonSchema:
    properties = {
        **start["properties"],
        "processKey": {"type": "string", "const": process.key},
        "variables": {"$ref": variables},
    }
    required = set(start.get("required", ()))
    if process.start_schema is not None and any(item.required for item in process.start_schema.fields.values()):
        required.add("variables")
    return {
        **start,
        "title": process.process_name,
        "description": f"Start `{process.key}`.",
        "properties": properties,
        "required": sorted(required),
    }


def _document(process: ProcessDefinition) -> dict[str, Any]:
    steps = sorted(process.steps.values(), key=lambda step: (step.order, step.name))
    return {
        "key": process.key,
        "name": process.process_name,
        "queue": process.queue,
        "steps": [
            {
                "name": step.name,
                "topic": step.topic,
                "order": step.order,
                "retries": step.retries,
                "outcome": step.outcome,
            }
            for step in steps
        ],
        "startSchema": {"$schema": "https://json-schema.org/draft/2020-12/schema", **_variables(process).alone()},
        "example": process.example,
    }


def _variables(process: ProcessDefinition) -> Described:
    if process.start_schema is None:
        return Described(FREE_VARIABLES)
    described = describe(process.start_schema, f"Variables.{_NOT_IN_NAMES.sub('_', process.key)}")
    # A start refuses variables that the schema does not name, whatever the schema's Meta has for `unknown`.
    root = {**described.root, "additionalProperties": False}
    if process.example:
        root["examples"] = [process.example]
    return Described(root, described.parts)


#: the schema of variables of a process without a schema: names and values that the engine can store
FREE_VARIABLES: JsonSchema = {
    "type": "object",
    "description": "Any variables; the process checks them when it runs. Whole numbers must fit into 64 bits.",
    "propertyNames": {"minLength": 1, "maxLength": MAX_NAME, "not": {"const": RESERVED_VARIABLE}},
}
