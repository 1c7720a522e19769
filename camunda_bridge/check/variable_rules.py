"""Variables that cannot be what the diagram or the code makes of them: names that nobody may give, objects of Java."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator

from camunda_bridge.bpmn import ENGINES
from camunda_bridge.check.findings import JAVA_OBJECT, VARIABLE_NAME_REFUSED
from camunda_bridge.check.rules import Found
from camunda_bridge.check.source import returned_fields
from camunda_bridge.check.subject import Subject, Subjects
from camunda_bridge.definition import StepDefinition
from camunda_bridge.errors import VariableError
from camunda_bridge.variables import outgoing

#: A Joda time: the engine's `dateTime()`, moved or not, and not made a date. No JSON writer of the engine knows it.
_JODA = re.compile(r"dateTime\(\)(?:\.(?:plus|minus|with|toDateTime)\w*\([^()]*\))*")
#: A Spin node: the engine's `S()`, `JSON()` and `XML()`, and a property of one. It cannot be kept within a list or map.
_SPIN = re.compile(r"(?:S|JSON|XML)\(.*\)|.*\.(?:prop|elements)\([^()]*\)", re.DOTALL)
_EXPRESSION = re.compile(r"\s*[$#]\{\s*(.*?)\s*\}\s*", re.DOTALL)
_MAPPINGS = ("inputParameter", "outputParameter")
_ITEMS = frozenset(namespace + name for namespace in ENGINES for name in ("value", "entry"))


def names(subject: Subject, _: Subjects) -> Iterator[Found]:
    """No step, start or mapping gives a variable a name that is the bridge's own, or that the engine does not keep."""
    topics = {node.topic: node for node in reversed(subject.diagram.steps)}
    for topic, step in subject.process.steps.items():
        for name in _given_by(step):
            if why := _refused(name):
                yield (
                    topics.get(topic, subject.diagram.root),
                    VARIABLE_NAME_REFUSED,
                    f"gives the variable {_short(name)!r}: {why}",
                    f"give it another name in the output of the step {step.name!r}",
                )
    schema = subject.process.start_schema
    for name in [item.data_key or name for name, item in schema.fields.items()] if schema is not None else []:
        if why := _refused(name):
            hint = "give it another name in the start schema"
            yield subject.diagram.root, VARIABLE_NAME_REFUSED, f"is started with {_short(name)!r}: {why}", hint
    for node in subject.diagram.nodes:
        mapped = [item.get("name", "") for kind in _MAPPINGS for item in node.extensions(kind)]
        for name in dict.fromkeys([*mapped, node.attribute("resultVariable") or ""]):
            if name and (why := _refused(name)):
                hint = "give the mapping or the result another name"
                yield node, VARIABLE_NAME_REFUSED, f"gives the variable {_short(name)!r}: {why}", hint


def java_objects(subject: Subject, _: Subjects) -> Iterator[Found]:
    """No mapping makes an object of Java that its step could not be given as JSON."""
    for node in subject.diagram.nodes:
        for item in [found for kind in _MAPPINGS for found in node.extensions(kind)]:
            if why := _unreadable(item):
                yield node, JAVA_OBJECT, f"makes {item.get('name', '')!r} {why[0]}", why[1]
        if (name := node.attribute("resultVariable")) and (why := _of(node.attribute("expression") or "", False)):
            yield node, JAVA_OBJECT, f"makes {name!r} {why[0]}", why[1]


def _given_by(step: StepDefinition) -> list[str]:
    if step.output_schema is None:
        return sorted(returned_fields(step.handler)[0])
    return [item.data_key or name for name, item in step.output_schema.fields.items() if not item.load_only]


def _refused(name: str) -> str:
    try:
        outgoing({name: None})
    except VariableError as error:
        return str(error)
    return ""


def _short(name: str) -> str:
    return name if len(name) <= 40 else name[:40] + "…"


def _unreadable(parameter: ET.Element) -> tuple[str, str] | None:
    """What a mapping makes that cannot be had as JSON, and what to do; None where it can, or a script says."""
    if found := _of(parameter.text or "", False):
        return found
    for item in parameter.iter():
        if item.tag in _ITEMS and (found := _of(item.text or "", True)):
            return found
    return None


def _of(text: str, within: bool) -> tuple[str, str] | None:
    match = _EXPRESSION.fullmatch(text)
    if match is None:
        return None
    holding = "a list or map that holds " if within else ""
    if _JODA.fullmatch(match[1]):
        return f"{holding}a Joda time, which no step can read", "end the expression in .toDate(), or use now()"
    if within and _SPIN.fullmatch(match[1]):
        return (
            f"{holding}a JSON or XML node, which the engine cannot keep",
            "end the expression in .stringValue(), .numberValue() or .boolValue(), or make the whole variable Json",
        )
    return None
