"""The rules for what the engine evaluates: variables of expressions, and languages of scripts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lxml import etree

from camunda_bridge.bpmn import BPMN, ENGINES, Node, extensions
from camunda_bridge.bpmn.expressions import needed_names
from camunda_bridge.bpmn.xml import engine_attribute
from camunda_bridge.check.data_flow import DataFlow, names_of_loop
from camunda_bridge.check.findings import SCRIPT_LANGUAGE_UNKNOWN
from camunda_bridge.check.knowledge import Known
from camunda_bridge.check.rules import Found, not_provided
from camunda_bridge.check.subject import Subject, Subjects

#: languages that every engine has: JUEL itself, and FEEL for decisions
_ALWAYS = frozenset({"juel", "feel"})
#: other names of a language: those under which its implementation registers
_NAMES = {"js": "javascript", "ecmascript": "javascript", "graal.js": "javascript", "nashorn": "javascript"}
_SCRIPTS = frozenset(namespace + "script" for namespace in ENGINES)
#: what the engine evaluates of a user task
_OF_PERSONS = ("assignee", "candidateUsers", "candidateGroups", "dueDate", "followUpDate", "priority")
_OF_TIMERS = ("timeDuration", "timeDate", "timeCycle")
#: events of listeners before the work of an element
_AT_BEGINNING = frozenset({"start", "create", "assignment", "update", "timeout"})


class _Reading(NamedTuple):
    """An expression, what it is as the subject of "reads", and the variables that are set when it is evaluated."""

    text: str
    what: str
    known: Known


def variables(subject: Subject, others: Subjects) -> Iterator[Found]:
    """An expression must not read a variable that is not set: the engine fails there."""
    flow = others.flow(subject)
    for node in [subject.diagram.root, *subject.diagram.nodes]:
        always = node.scope is None or flow.always_runs(node)
        found: dict[tuple[str, str], Found] = {}
        for reading in _readings(node, flow):
            names = needed_names(reading.text)
            for fault in not_provided(node, names, reading.known, f"{reading.what} reads", always=always):
                _, code, message, _ = fault
                hint = "set it before, or read it with execution.getVariable('name'), which is null for what isn't set"
                found.setdefault((code, message), (node, code, message, hint))
        yield from found.values()


def languages(subject: Subject, others: Subjects) -> Iterator[Found]:
    """A script must be in a language that the engine has."""
    known = others.languages | _ALWAYS
    for element in subject.diagram.root.xml.iter():
        language = _language(element)
        # An expression may give any language.
        if language is None or "{" in language:
            continue
        if not {language.lower(), _NAMES.get(language.lower(), "")} & known:
            yield (
                subject.diagram.node_of(element),
                SCRIPT_LANGUAGE_UNKNOWN,
                f"has a script in {language!r}, which is not in CAMUNDA_SCRIPT_LANGUAGES: "
                f"{', '.join(sorted(others.languages)) or 'none'}",
                "use one of these languages, or name it in CAMUNDA_SCRIPT_LANGUAGES if the engine has it",
            )


def _language(element: etree._Element) -> str | None:
    if element.tag == BPMN + "scriptTask" or element.tag in _SCRIPTS:
        return element.get("scriptFormat")
    return element.get("language") if element.tag == BPMN + "conditionExpression" else None


def _readings(node: Node, flow: DataFlow) -> Iterator[_Reading]:
    before, at, done, behind = flow.before(node), flow.at(node), flow.done(node), flow.behind(node)
    loop = node.multi_instance
    if loop is not None:
        collection = engine_attribute(loop, "collection") or ""
        # The name of a variable alone is allowed too.
        text = collection if "{" in collection or not collection else f"${{{collection}}}"
        yield _Reading(text, "its collection", before)
        yield _Reading(loop.findtext(BPMN + "loopCardinality") or "", "its number of items", before)
        yield _Reading(loop.findtext(BPMN + "completionCondition") or "", "its completion condition", done)
    mapped = before.and_also(Known.of(names_of_loop(node)))
    for item in node.extensions("inputParameter"):
        yield _Reading(_text_of(item), f"its input mapping {item.get('name', '')!r}", mapped)
        mapped = mapped.and_also(Known.of([item.get("name", "")]))
    for text, what in _own_texts(node):
        yield _Reading(text, what, at)
    for name in _OF_TIMERS:
        for item in node.xml.iterfind(f"{BPMN}timerEventDefinition/{BPMN}{name}"):
            yield _Reading(item.text or "", "its timer", before)
    for item in node.extensions("outputParameter"):
        yield _Reading(_text_of(item), f"its output mapping {item.get('name', '')!r}", done)
        done = done.and_also(Known.of([item.get("name", "")]))
    for kind in ("executionListener", "taskListener"):
        for item in node.extensions(kind):
            known = at if item.get("event") in _AT_BEGINNING else done
            yield _Reading(item.get("expression", ""), f"its listener for {item.get('event')!r}", known)
    for way in node.ways:
        yield _Reading(way.condition or "", f"the condition of {way.id!r}", behind)
        for item in extensions(way.xml, "executionListener"):
            yield _Reading(item.get("expression", ""), f"the listener of {way.id!r}", behind)


def _own_texts(node: Node) -> Iterator[tuple[str, str]]:
    """What the engine evaluates when it runs an element: the text, and what it is."""
    yield node.topic or "", "its topic"
    yield node.attribute("taskPriority") or "", "its priority"
    yield node.implemented_by("expression") or "", "its expression"
    yield node.called_element or "", "the name of the called process"
    if node.kind == "callActivity":
        for item in node.extensions("in"):
            yield item.get("sourceExpression") or item.get("businessKey") or "", "what it passes on"
    if node.kind == "userTask":
        for name in _OF_PERSONS:
            yield node.attribute(name) or "", f"its attribute {name!r}"


def _text_of(item: etree._Element) -> str:
    """The expressions of a mapping, with those of its lists and maps, and without its scripts."""
    return "".join(part.text or "" for part in item.iter() if part.tag not in _SCRIPTS)
