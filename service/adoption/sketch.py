"""What a diagram shows of the steps of its process: topics, inputs, outputs and error codes."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from lxml import etree

from camunda_bridge.bpmn import Diagram, Node, extensions
from camunda_bridge.bpmn.expressions import names
from camunda_bridge.check.data_flow import local_names, names_of_loop
from camunda_bridge.steps import ERROR_VARIABLES

#: kinds of values, by the types of form fields
_FORM_KINDS = {"string": "String", "enum": "String", "long": "Integer", "boolean": "Boolean", "date": "String"}


@dataclass
class StepSketch:
    """A step: the handler of one topic.

    Attributes:
        name: its name in the code.
        function: the name of its handler.
        elements: the elements of the diagram that have its topic.
        inputs: names and kinds of the variables that its input mappings make.
        outputs: names and kinds of the variables that something behind it reads, and nothing else sets.
        codes: error codes that events catch when it throws them; "" for an event that catches every code.
        is_local: True when its outputs must stay local to the task: its own mappings alone read them, and it runs for
            several items at the same time.
    """

    name: str
    topic: str
    function: str
    elements: list[Node] = field(default_factory=list)
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    codes: dict[str, None] = field(default_factory=dict)
    is_local: bool = False


@dataclass
class ProcessSketch:
    """A process: its steps in the order of the diagram, and the variables of its start."""

    diagram: Diagram
    #: the path of its BPMN file in the package
    file: str
    steps: list[StepSketch]
    #: names and kinds of the variables that a start seems to need
    start: dict[str, str] = field(default_factory=dict)
    #: those of its form, and those that the form requires
    form: set[str] = field(default_factory=set)
    required: set[str] = field(default_factory=set)

    def step_at(self, node: Node) -> StepSketch | None:
        """The step whose topic an element has."""
        return next((step for step in self.steps if node in step.elements), None)


def sketch(diagram: Diagram, file: str, *, shared: set[str]) -> ProcessSketch:
    """Read a diagram.

    Args:
        file: the path of the BPMN file in the package.
        shared: topics that have a step elsewhere: they get none.
    """
    steps: dict[str, StepSketch] = {}
    functions: set[str] = set()
    for node in diagram.steps:
        topic = node.topic or ""
        if "{" in topic or topic in shared:
            # An expression may give the topic of any step.
            continue
        if topic not in steps:
            name = topic.removeprefix(f"{diagram.key}.")
            steps[topic] = StepSketch(name, topic, _identifier(name, functions))
        steps[topic].elements.append(node)
    found = ProcessSketch(diagram, file, list(steps.values()))
    _read_start(found)
    for step in found.steps:
        for node in step.elements:
            for item in node.extensions("inputParameter"):
                step.inputs[item.get("name", "")] = _kind_of_mapping(item)
            for text in _read_behind(node):
                own = [name for name in names(text) if name not in step.inputs and name not in ERROR_VARIABLES]
                step.outputs |= {name: _kind_in_mapping(text, name) for name in own if name not in step.outputs}
            step.codes |= dict.fromkeys(diagram.caught_codes(node.id))
    mapped = {step.topic: set(step.outputs) for step in found.steps}
    for node, name, kind in _uses(diagram):
        _provide(found, node, name, kind)
    for step in found.steps:
        is_parallel = all(node.parallel_scope is not None for node in step.elements)
        step.is_local = is_parallel and bool(step.outputs) and set(step.outputs) == mapped[step.topic]
    return found


def _read_behind(node: Node) -> Iterator[str]:
    """The expressions of an external task that the engine reads when the task is completed."""
    for item in node.extensions("outputParameter"):
        yield from (str(text) for text in item.itertext())
    for item in extensions(node.implementation, "errorEventDefinition"):
        yield item.get("expression", "")


def _identifier(name: str, taken: set[str]) -> str:
    base = re.sub(r"\W+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)).strip("_").lower() or "step"
    if base[0].isdigit() or keyword.iskeyword(base) or base in ("process", "schemas"):
        base = f"step_{base}"
    found, number = base, 2
    while found in taken:
        found, number = f"{base}_{number}", number + 1
    taken.add(found)
    return found


def _read_start(process: ProcessSketch) -> None:
    for node in process.diagram.root.starts:
        for item in node.extensions("formField"):
            name = item.get("id", "")
            process.form.add(name)
            process.start[name] = _FORM_KINDS.get(item.get("type", ""), "Raw")
            if any(it.get("name") == "required" for it in item.iter("{*}constraint")):
                process.required.add(name)


def _kind_of_mapping(item: etree._Element) -> str:
    children = {etree.QName(child).localname for child in item}
    if "list" in children:
        return "List"
    if "map" in children:
        return "Dict"
    return "Raw" if children or "{" in (item.text or "") else "String"


def _uses(diagram: Diagram) -> Iterator[tuple[Node, str, str]]:
    """Where an expression reads a variable: the element before which it must be set, the name and the kind."""
    for node in diagram.nodes:
        for condition in [way.condition for way in node.ways if way.condition]:
            # An activity with conditions at its own flows sets the variables itself.
            place = node.ways[0].target if node.topic else node
            yield from ((place, name, _kind_in(condition, name)) for name in names(condition))
        for item in node.extensions("inputParameter"):
            for text in map(str, item.itertext()):
                yield from ((node, name, _kind_in_mapping(text, name)) for name in names(text))
        if node.multi_instance is not None:
            for key, value in node.multi_instance.attrib.items():
                if str(key).endswith("}collection"):
                    text = str(value)
                    yield from ((node, name, "List") for name in (names(text) if "{" in text else [text]))


def _kind_in_mapping(text: str, name: str) -> str:
    kind = _kind_in(text, name)
    # A value alone is of any kind there.
    return "Raw" if kind == "Boolean" else kind


def _kind_in(condition: str, name: str) -> str:
    """The kind of a variable, by what a condition compares it with."""
    word = re.escape(name)
    if re.search(rf"\b{word}\b\s*(==|!=|eq\b|ne\b)\s*['\"]|['\"]\s*(==|!=|eq\b|ne\b)\s*\b{word}\b", condition):
        return "String"
    if re.search(rf"\b{word}\b\s*(==|!=|[<>]=?|[gl][te]\b|eq\b|ne\b)\s*-?\d", condition):
        return "Float"
    if re.search(rf"\b{word}\b\s*[-+*/%]|[-+*/%<>]\s*\b{word}\b", condition):
        return "Float"
    if re.search(rf"\b{word}\b\s*(\}}|&&|\|\||and\b|or\b|\)|==\s*(true|false))", condition):
        return "Boolean"
    return "Raw"


def _provide(process: ProcessSketch, node: Node, name: str, kind: str) -> None:
    """Make the variable an output of the steps that come next before an element, or one of the start."""
    if name in ERROR_VARIABLES or _is_local(node, name):
        return
    seen: set[Node] = set()
    # A node reads its input mappings before it runs; a gateway has none.
    waiting = list(_before(node))
    while waiting:
        before = waiting.pop()
        if before in seen or _sets(before, name):
            continue
        seen.add(before)
        step = process.step_at(before)
        around = before.parallel_scope
        if around is not None and around is not node and around not in node.scopes:
            # What is done for several items at the same time can't set one variable for what comes after.
            waiting += _before(around)
        elif step is not None:
            step.outputs.setdefault(name, kind)
        elif before.kind == "process":
            process.start.setdefault(name, kind)
        elif before.kind not in ("userTask", "receiveTask", "callActivity", "scriptTask") and before.topic is None:
            waiting += _before(before)


def _before(node: Node) -> list[Node]:
    if node.attached_to is not None:
        return list(_before(node.attached_to))
    if node.incoming:
        # What happens inside a sub-process is not followed: the steps in it end it.
        return [inner for source in node.incoming for inner in (_ends(source) or [source])]
    return [node.scope] if node.scope is not None and node.scope.kind == "process" else _before_scope(node)


def _before_scope(node: Node) -> list[Node]:
    return [] if node.scope is None else _before(node.scope)


def _ends(node: Node) -> list[Node]:
    """The last elements inside a sub-process."""
    return [inner for inner in node.children if not inner.outgoing and not inner.is_event_subprocess]


def _is_local(node: Node, name: str) -> bool:
    return name in names_of_loop(node) or any(name in local_names(around) for around in node.scopes)


def _sets(node: Node, name: str) -> bool:
    """True when the diagram shows that an element sets a variable without its handler."""
    mapped = {item.get("name") for item in node.extensions("outputParameter")}
    return name in mapped or node.result_variable == name
