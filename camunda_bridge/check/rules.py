"""The rules for diagram and code, except the one for error codes; each yields (node, code, message, hint)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from camunda_bridge.bpmn import Node
from camunda_bridge.check.data_flow import DataFlow
from camunda_bridge.check.findings import (
    BUSINESS_KEY_NOT_PASSED,
    FIELD_MAY_BE_MISSING,
    FIELD_NOT_PROVIDED,
    HANDLER_WITHOUT_TOPIC,
    RESPONSE_NOT_LAST,
    TOPIC_WITHOUT_HANDLER,
)
from camunda_bridge.check.knowledge import required_fields
from camunda_bridge.check.subject import Subject, Subjects

Found = tuple[Node, str, str, str]

#: a mapping that is one variable
_VARIABLE = re.compile(r"\s*[$#]\{\s*([A-Za-z_]\w*)\s*\}\s*\Z")
#: what the engine knows by these names without a variable
_OF_ENGINE = frozenset({"true", "false", "null", "execution", "externalTask", "authenticatedUserId"})


def topics(subject: Subject, others: Subjects) -> Iterator[Found]:
    """Every external task must have a handler, and every handler an external task."""
    handled = {topic for other in others.good for topic in other.process.steps}
    handled |= {topic for process, _ in others.faults for topic in process.steps} | set(others.shared)
    used = set()
    for node in subject.diagram.steps:
        topic = node.topic or ""
        used.add(topic)
        # An expression may give any topic.
        if topic not in handled and "{" not in topic:
            prefix = f"{subject.process.key}."
            how = (
                f'declare it with @process.step("{topic.removeprefix(prefix)}"), or correct the topic'
                if topic.startswith(prefix)
                else f'declare a step with topic="{topic}", in a worker if several processes use it'
            )
            yield node, TOPIC_WITHOUT_HANDLER, f"has the topic {topic!r}, which no step handles", how
    if not others.is_newest(subject):
        return
    used |= {node.topic or "" for other in others.good for node in other.diagram.steps}
    may_be_any = any("{" in topic for topic in used)
    for topic, step in subject.process.steps.items():
        if topic not in used and not may_be_any:
            yield (
                subject.diagram.root,
                HANDLER_WITHOUT_TOPIC,
                f"has no external task with the topic {topic!r} of the step {step.name!r}",
                "add the task to the diagram, correct its topic, or remove the step",
            )


def responses(subject: Subject, others: Subjects) -> Iterator[Found]:
    """A response step must be the last of its path, because the client gets its answer when the step completes."""
    for node in subject.diagram.steps:
        step = subject.steps.get(node.topic or "")
        if step is None or step.outcome is None:
            continue
        if why := _goes_on(node):
            yield (
                node,
                RESPONSE_NOT_LAST,
                f"answers the client (outcome={step.outcome!r}), but {why}",
                "move it to the end, or remove outcome from the step",
            )


def business_keys(subject: Subject, others: Subjects) -> Iterator[Found]:
    """A call activity must pass on the business key, which is the correlation id."""
    for node in subject.diagram.call_activities:
        keys = [found.get("businessKey", "") for found in node.extensions("in")]
        if not any("businesskey" in key.lower() for key in keys):
            yield (
                node,
                BUSINESS_KEY_NOT_PASSED,
                f"starts {node.called_element!r} without the business key",
                'add <camunda:in businessKey="#{execution.processBusinessKey}" />',
            )


def fields(subject: Subject, others: Subjects) -> Iterator[Found]:
    """The required fields of a step or of a called process must be set whenever the step or the call is reached."""
    flow = DataFlow(subject.process, subject.diagram, others.find, others.shared)
    for node in subject.diagram.steps:
        yield from _unknown_sources(node, flow)
        step = subject.steps.get(node.topic or "")
        if step is not None and step.input_schema is not None:
            yield from _missing(node, required_fields(step.input_schema), flow, "its input schema requires")
    for node in subject.diagram.call_activities:
        found = others.find(node.called_element or "")
        schema = found[0].start_schema if found else None
        if schema is None:
            continue
        passed = list(node.extensions("in"))
        targets = {mapping.get("target") for mapping in passed}
        needed = [name for name in required_fields(schema) if name not in targets]
        if any(mapping.get("variables") == "all" for mapping in passed):
            yield from _missing(node, needed, flow, "the called process requires")
        else:
            for name in needed:
                yield (
                    node,
                    FIELD_NOT_PROVIDED,
                    f"does not pass {name!r} on, which the called process requires",
                    f'add <camunda:in source="{name}" target="{name}" />',
                )


def _unknown_sources(node: Node, flow: DataFlow) -> Iterator[Found]:
    """A finding for each input mapping whose variable is never set: the engine refuses to enter the step."""
    known = flow.before_mappings(node)
    names = set(known.possible | _OF_ENGINE)
    for item in node.extensions("inputParameter"):
        source = _VARIABLE.match(item.text or "")
        if source is not None and source[1] not in names and not known.is_open:
            yield (
                node,
                FIELD_NOT_PROVIDED,
                f"maps {item.get('name', '')!r} from the variable {source[1]!r}, but neither the start nor a step that "
                "always runs before it sets it",
                "add it to the start schema or to the output of an earlier step, or map another value",
            )
        names.add(item.get("name", ""))


def _missing(node: Node, names: list[str], flow: DataFlow, who: str) -> Iterator[Found]:
    known = flow.at(node)
    if known.is_open:
        return
    for name in names:
        if name not in known.possible:
            yield (
                node,
                FIELD_NOT_PROVIDED,
                f"needs {name!r}, which {who}, but neither the start nor a step that always runs before it sets it",
                "add it to the start schema or to the output of an earlier step, map it, or make it optional here",
            )
        elif name not in known.certain and flow.always_runs(node):
            # After a gateway with a condition there is no finding: the condition may check that the variable is set.
            yield (
                node,
                FIELD_MAY_BE_MISSING,
                f"needs {name!r}, which {who}, but it is optional where it is set",
                "add required=True to the field where it is set, or a load_default to the field here",
            )


def _goes_on(node: Node) -> str | None:
    """The reason why a node isn't the last step of its process; None when it is the last."""
    if node.is_async_after:
        return "an asynchronous continuation comes after it"
    scope: Node | None = node
    while scope is not None:
        if scope.multi_instance is not None:
            return "it may run several times" if scope is node else f"{scope.id!r} around it may run several times"
        if follower := _next_wait(scope):
            return "it may come again" if follower is node else f"{follower.id!r} comes after it"
        if beside := _beside(scope):
            return f"{beside.id!r} may still run beside it"
        scope = scope.scope
    return None


def _next_wait(node: Node) -> Node | None:
    """The first node after this one at which an instance waits; None when there is none."""
    return next((found for target in node.outgoing for found in _ways(target) if _holds(found)), None)


def _beside(node: Node) -> Node | None:
    """A node at which an instance waits on a parallel branch; None when there is none."""
    for fork in node.scope.children if node.scope is not None else ():
        # Of two flows with conditions, an inclusive gateway or an activity may take both.
        if len(fork.outgoing) < 2 or fork.kind in ("exclusiveGateway", "eventBasedGateway"):
            continue
        ways = [list(_ways(target)) for target in fork.outgoing]
        if any(node in way for way in ways):
            for way in ways:
                if node not in way and (found := next((item for item in way if _holds(item)), None)):
                    return found
    return None


def _ways(start: Node) -> Iterator[Node]:
    """`start` and every node of its scope that a token may pass after it."""
    seen: set[Node] = set()
    waiting = [start]
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            yield node
            waiting += node.outgoing


def _holds(node: Node) -> bool:
    return node.waits or any(inner.waits for inner in node.walk())
