"""A process for one test: a diagram from a few lines, and steps with schemas from names of fields."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

from marshmallow import Schema, fields

from camunda_bridge.check import check
from camunda_bridge.definition import ProcessDefinition

_XML = """<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:camunda="http://camunda.org/schema/1.0/bpmn" targetNamespace="check">
  <error id="e" errorCode="E"/><message id="m" name="m"/>
  <process id="{key}" isExecutable="true">{body}</process></definitions>"""


def schema(names: str) -> type[Schema]:
    """A schema from a text: in `a b? c=`, a is required, b is optional, c has a default for loading and dumping."""
    return Schema.from_dict({name.rstrip("?="): _field(name) for name in names.split()})  # type: ignore[return-value]


def _field(name: str) -> fields.Field[Any]:
    if name.endswith("="):
        return fields.Raw(load_default=1, dump_default=1)
    return fields.Raw(required=not name.endswith("?"))


class Drawing:
    """A process to check.

    Elements have a short form: `task:a`, `xor:x`, `and:x`, `start:s`, `end:e`. Flows are written `s > a > e`,
    everything else as XML. A task `a` has the topic `<key>.a`.
    """

    def __init__(self, folder: Path, key: str = "drawn", start: str | None = None) -> None:
        self.definition = ProcessDefinition(
            key, folder / f"{key}.bpmn", start_schema=schema(start)() if start is not None else None
        )

    def step(self, name: str, takes: str | None = None, gives: str | None = None, **options: Any) -> Drawing:
        """Declare a step with the fields of its input and its output."""
        options.setdefault("invalid_input_code", "INPUT")
        self.definition.step(
            name,
            input_schema=None if takes is None else schema(takes),
            output_schema=None if gives is None else schema(gives),
            **options,
        )(options.pop("handler", None) or (lambda given: given))
        return self

    def draw(self, elements: str, *flows: str, xml: str = "") -> Drawing:
        """Write the BPMN file."""
        key = self.definition.key
        parts = [element(key, item) for item in elements.split()] + [xml.replace("{key}", key)]
        parts += [flow for line in flows for flow in flow_xml(line)]
        self.definition.bpmn_path.write_text(_XML.format(key=key, body="".join(parts)))
        return self


def element(key: str, item: str) -> str:
    """The XML of `kind:id`."""
    kind, _, name = item.partition(":")
    tags = {"xor": "exclusiveGateway", "and": "parallelGateway", "or": "inclusiveGateway"}
    if kind == "task":
        return f'<serviceTask id="{name}" camunda:type="external" camunda:topic="{key}.{name}"/>'
    if kind == "catch":
        # an error boundary event at the task before the colon
        task, _, name = name.partition(":")
        return f'<boundaryEvent id="{name}" attachedToRef="{task}"><errorEventDefinition/></boundaryEvent>'
    return f'<{tags.get(kind, kind + "Event")} id="{name}"/>'


def flow_xml(line: str) -> list[str]:
    """The sequence flows of `a > b > c`."""
    names = [name.strip() for name in line.split(">")]
    return [f'<sequenceFlow id="{a}-{b}" sourceRef="{a}" targetRef="{b}"/>' for a, b in pairwise(names)]


def faults(*drawings: Drawing, of: str = "FIELD") -> list[tuple[str, str]]:
    """Element and quoted name of all findings whose code begins with `of`."""
    found = check(drawing.definition for drawing in drawings)
    return [(it.element, it.message.split("'")[1]) for it in found if it.code.startswith(of) and it.excuse is None]
