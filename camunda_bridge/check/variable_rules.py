"""The rules for variables: names that are refused, and Java objects that no step can read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from camunda_bridge.bpmn import ENGINES
from camunda_bridge.check.data_flow import local_names
from camunda_bridge.check.findings import JAVA_OBJECT, SHARED_VARIABLE, VARIABLE_NAME_REFUSED
from camunda_bridge.check.knowledge import output_names
from camunda_bridge.check.rules import Found
from camunda_bridge.check.subject import Subject, Subjects
from camunda_bridge.errors import VariableError
from camunda_bridge.variables import outgoing

#: an expression whose result is a Joda time: `dateTime()` of the engine without a conversion to a date; the engine
#: can't write it as JSON
_JODA = re.compile(r"dateTime\(\)(?:\.(?:plus|minus|with|toDateTime)\w*\([^()]*\))*")
#: an expression whose result is a Spin node: `S()`, `JSON()` and `XML()` of the engine, or a property of one; the
#: engine can't store it in a list or map
_SPIN = re.compile(r"(?:S|JSON|XML)\(.*\)|.*\.(?:prop|elements)\([^()]*\)", re.DOTALL)
_EXPRESSION = re.compile(r"\s*[$#]\{\s*(.*?)\s*\}\s*", re.DOTALL)
_MAPPINGS = ("inputParameter", "outputParameter")
_ITEMS = frozenset(namespace + name for namespace in ENGINES for name in ("value", "entry"))


def names(subject: Subject, _: Subjects) -> Iterator[Found]:
    """Steps, starts and mappings must not set a variable whose name is reserved, or that the engine can't store."""
    topics = {node.topic: node for node in reversed(subject.diagram.steps)}
    for topic, step in subject.process.steps.items():
        for name in output_names(step):
            if why := _refused(name):
                yield (
                    topics.get(topic, subject.diagram.root),
                    VARIABLE_NAME_REFUSED,
                    f"sets the variable {_short(name)!r}: {why}",
                    f"use another name in the output of the step {step.name!r}",
                )
    schema = subject.process.start_schema
    for name in [item.data_key or name for name, item in schema.fields.items()] if schema is not None else []:
        if why := _refused(name):
            hint = "use another name in the start schema"
            yield subject.diagram.root, VARIABLE_NAME_REFUSED, f"is started with {_short(name)!r}: {why}", hint
    for node in subject.diagram.nodes:
        mapped = [item.get("name", "") for kind in _MAPPINGS for item in node.extensions(kind)]
        for name in dict.fromkeys([*mapped, node.result_variable or ""]):
            if name and (why := _refused(name)):
                hint = "use another name for the mapping or the result variable"
                yield node, VARIABLE_NAME_REFUSED, f"sets the variable {_short(name)!r}: {why}", hint


def java_objects(subject: Subject, _: Subjects) -> Iterator[Found]:
    """Mappings and result variables must not hold a Java object that steps can't read as JSON."""
    for node in subject.diagram.nodes:
        for item in [found for kind in _MAPPINGS for found in node.extensions(kind)]:
            if why := _java_object_of(item):
                yield node, JAVA_OBJECT, f"sets {item.get('name', '')!r} to {why[0]}", why[1]
        if (name := node.result_variable) and (why := _result_of(node.implemented_by("expression") or "", False)):
            yield node, JAVA_OBJECT, f"sets {name!r} to {why[0]}", why[1]


def shared_variables(subject: Subject, _: Subjects) -> Iterator[Found]:
    """A step within a parallel multi-instance must not write variables outside of its own instance."""
    for node in subject.diagram.steps:
        step = subject.steps.get(node.topic or "")
        around = node.parallel_scope
        if step is None or around is None:
            continue
        output = set() if step.scope == "local" else set(output_names(step)) - local_names(node)
        names = output | {item.get("name", "") for item in node.extensions("outputParameter")}
        inner = node
        while inner is not around and inner.scope is not None:
            inner = inner.scope
            names -= local_names(inner)
        if names:
            several = ", ".join(repr(name) for name in sorted(names))
            where = "runs in parallel for several items" if around is node else f"is within the parallel {around.id!r}"
            yield (
                node,
                SHARED_VARIABLE,
                f"writes {several}, but {where}: every other item writes the same variables",
                'keep them local to an item: with scope="local", or with an input mapping of the multi-instance '
                "sub-process; return a result under a name of its own for each item",
            )


def _refused(name: str) -> str:
    try:
        outgoing({name: None})
    except VariableError as error:
        return str(error)
    return ""


def _short(name: str) -> str:
    return name if len(name) <= 40 else name[:40] + "…"


def _java_object_of(parameter: etree._Element) -> tuple[str, str] | None:
    """The Java object of a mapping and how to avoid it; None when it can be read as JSON, or a script computes it."""
    if found := _result_of(parameter.text or "", False):
        return found
    for item in parameter.iter():
        if item.tag in _ITEMS and (found := _result_of(item.text or "", True)):
            return found
    return None


def _result_of(text: str, within: bool) -> tuple[str, str] | None:
    """The Java object of an expression and how to avoid it. `within`: the expression is an item of a list or map."""
    match = _EXPRESSION.fullmatch(text)
    if match is None:
        return None
    holding = "a list or map that holds " if within else ""
    if _JODA.fullmatch(match[1]):
        return f"{holding}a Joda time, which no step can read", "end the expression with .toDate(), or use now()"
    if within and _SPIN.fullmatch(match[1]):
        return (
            f"{holding}a JSON or XML node, which the engine can't store",
            "end the expression with .stringValue(), .numberValue() or .boolValue(), or make the whole variable Json",
        )
    return None
