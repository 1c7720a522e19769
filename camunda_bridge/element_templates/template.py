"""The element template of a step: topic, name, inputs and outputs from its schemas, and its error codes.

The format is that of Camunda 7: https://docs.camunda.io/docs/components/modeler/desktop-modeler/element-templates/
"""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Iterator
from typing import Any

from camunda_bridge.bpmn import NEVER
from camunda_bridge.check.error_rule import codes_of
from camunda_bridge.check.knowledge import output_names, required_fields
from camunda_bridge.element_templates import juel
from camunda_bridge.element_templates.fields import AnyField, choices_of, described, initial_mapping, is_long, kind_of
from camunda_bridge.steps import StepDefinition, StepOwner

Json = dict[str, Any]

#: the schema of the format; an editor completes and checks a file with it
SCHEMA = "https://unpkg.com/@camunda/element-templates-json-schema/resources/schema.json"
#: groups of the properties panel, in order
_GROUPS = {"task": "Task", "input": "Input of the step"}


def template_of(owner: StepOwner, step: StepDefinition, *, all_outputs: bool = False) -> Json:
    """The template of a step, without a version.

    Args:
        owner: the process or worker that declares the step.
        all_outputs: also map the outputs that reach the process without a mapping, so that each can get another name.
    """
    title = _title(step.name)
    inputs = dict(_inputs(step))
    codes = sorted(codes_of(step))
    return {
        "$schema": SCHEMA,
        "name": f"{title} ({owner.key})",
        "id": f"celery-camunda:{step.topic}",
        "description": _description(step, set(inputs), codes),
        "keywords": sorted({step.topic, step.name, owner.key}),
        "appliesTo": ["bpmn:Task"],
        "elementType": {"value": "bpmn:ServiceTask"},
        # Asynchronous continuations, extension properties and further mappings stay editable.
        "entriesVisible": True,
        "groups": [{"id": name, "label": label} for name, label in _GROUPS.items()],
        "properties": [
            _hidden("external", "camunda:type"),
            _hidden(step.topic, "camunda:topic"),
            *_task_properties(title),
            *inputs.values(),
            *_outputs(step, set(inputs), all_outputs=all_outputs),
            *map(_error, codes),
        ],
        "scopes": [
            {
                "type": "bpmn:Error",
                "id": _error_ref(code),
                "properties": [_hidden(code, "errorCode"), _hidden(code, "name")],
            }
            for code in codes
        ],
    }


def _hidden(value: str, name: str) -> Json:
    return {"type": "Hidden", "value": value, "binding": {"type": "property", "name": name}}


def _task_properties(title: str) -> Iterator[Json]:
    yield {
        "label": "Name",
        "type": "String",
        "value": title,
        "group": "task",
        "binding": {"type": "property", "name": "name"},
    }
    yield {
        "label": "Priority",
        "description": "Workers take tasks with a higher number first.",
        "type": "String",
        "group": "task",
        "binding": {"type": "property", "name": "camunda:taskPriority"},
    }


def _inputs(step: StepDefinition) -> Iterator[tuple[str, Json]]:
    schema = step.input_schema
    if schema is None:
        return
    required = set(required_fields(schema))
    for name, item in _fields(step):
        is_required = name in required
        mapping = initial_mapping(name, item, is_required=is_required)
        if mapping is not None:
            yield name, _input(name, item, mapping, is_required=is_required)


def _input(name: str, item: AnyField, mapping: str, *, is_required: bool) -> Json:
    found: Json = {"label": name, "description": described(item, is_required=is_required), "group": "input"}
    choices = choices_of(item)
    if choices is not None:
        found["type"] = "Dropdown"
        found["choices"] = [
            {"name": f"the variable {name}", "value": mapping},
            *({"name": label, "value": value} for label, value in choices),
        ]
    else:
        found["type"] = "Text" if is_long(item) else "String"
    found["value"] = mapping
    if is_required:
        found["constraints"] = {"notEmpty": True}
    return {**found, "binding": {"type": "camunda:inputParameter", "name": name}}


def _outputs(step: StepDefinition, inputs: set[str], *, all_outputs: bool) -> Iterator[Json]:
    """The mappings without which an output would not leave the task, or all.

    The engine writes a variable of the same name as an input to that input, which ends with the task.
    """
    schema = step.output_schema
    items = schema.fields.items() if schema is not None else ()
    kinds = {item.data_key or name: described(item, is_required=item.required) for name, item in items}
    for name in output_names(step):
        if all_outputs or step.scope == "local" or name in inputs:
            # Without a type, the Modeler shows it under Outputs, with a switch and the name of the variable. The engine
            # evaluates it after a business error too, when the output is missing: then it is null.
            found: Json = {"label": name, "value": name}
            if name in kinds:
                found["description"] = kinds[name]
            yield {**found, "binding": {"type": "camunda:outputParameter", "source": juel.typed(name)}}


def _error(code: str) -> Json:
    """Declares an error code in the diagram, so that a boundary event can refer to it; the worker throws it."""
    return {
        "label": code,
        "value": NEVER,
        "binding": {"type": "camunda:errorEventDefinition", "errorRef": _error_ref(code)},
    }


def _error_ref(code: str) -> str:
    """Part of the id of the `bpmn:Error`.

    The Modeler finds the error of a template by the beginning of its id, so no reference may be the beginning of
    another one: only its end has a dot.
    """
    name = re.sub(r"[^A-Za-z0-9_-]", "_", code)
    return f"{name}." if name == code else f"{name}-{hashlib.sha256(code.encode()).hexdigest()[:8]}."


def _description(step: StepDefinition, inputs: set[str], codes: list[str]) -> str:
    text = (inspect.getdoc(step.handler) or "").partition("\n\n")[0]
    known = [" ".join(text.split())]
    if unmapped := [name for name, _ in _fields(step) if name not in inputs]:
        known.append(f"Reads the variables {', '.join(unmapped)} if they exist.")
    if outputs := _outputs_in_words(step):
        known.append(f"Result: {', '.join(outputs)}.")
    if codes:
        known.append(f"Errors: {', '.join(codes)}.")
    return " ".join(text for text in known if text)


def _outputs_in_words(step: StepDefinition) -> list[str]:
    schema = step.output_schema
    items = {item.data_key or name: item for name, item in schema.fields.items()} if schema is not None else {}
    return [f"{name} ({kind_of(items[name]).lower()})" if name in items else name for name in output_names(step)]


def _fields(step: StepDefinition) -> list[tuple[str, AnyField]]:
    schema = step.input_schema
    items = schema.fields.items() if schema is not None else ()
    return [(item.data_key or name, item) for name, item in items if not item.dump_only]


def _title(name: str) -> str:
    words = " ".join(re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[-_.]+", " ", name).split())
    return words[:1].upper() + words[1:]
