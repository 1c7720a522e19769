"""Checks that diagrams agree with the code of their steps; needs no engine, broker or database.

    for finding in check(registry):
        print(finding)

To excuse a finding, add an extension property to the element of the diagram (in the Modeler: Extension properties). Its
name is ``ignore:CODE``, and its value is the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from camunda_bridge.bpmn import Node
from camunda_bridge.check import rules, variable_rules
from camunda_bridge.check.error_rule import uncaught_errors
from camunda_bridge.check.findings import BPMN_UNREADABLE, CODES, EXCEPTION_UNUSED, Finding
from camunda_bridge.check.subject import Subject, Subjects
from camunda_bridge.definition import ProcessDefinition, StepDefinition

__all__ = ["CODES", "Finding", "check"]

_RULES = (
    rules.topics,
    uncaught_errors,
    rules.responses,
    rules.business_keys,
    rules.fields,
    variable_rules.names,
    variable_rules.java_objects,
)
#: prefix of the name of an extension property that excuses a finding
EXCUSE = "ignore:"


def check(processes: Iterable[ProcessDefinition], shared: Mapping[str, StepDefinition] | None = None) -> list[Finding]:
    """The findings: where diagrams and code don't agree. A finding that the diagram excuses has the reason with it.

    Args:
        processes: all processes of the installation, because a process is checked together with those that call it.
        shared: the steps of workers, by topic; a diagram that uses one is checked against it.
    """
    subjects = Subjects(processes, shared or {})
    findings = [
        Finding(
            process.bpmn_path,
            process.key,
            process.key,
            process.process_name if process.process_name != process.key else "",
            BPMN_UNREADABLE,
            message,
            "the file must have an executable process whose id is the key given to define_process",
        )
        for process, message in subjects.faults
    ]
    for subject in subjects.good:
        findings += _excused(
            subject, [_finding(subject, *found) for rule in _RULES for found in rule(subject, subjects)]
        )
    return findings


def _finding(subject: Subject, node: Node, code: str, message: str, hint: str) -> Finding:
    name = " ".join(node.name.split())
    return Finding(subject.process.bpmn_path, subject.process.key, node.id, name, code, message, hint)


def _excused(subject: Subject, findings: list[Finding]) -> Iterator[Finding]:
    used: set[tuple[str, str]] = set()
    nodes = [subject.diagram.root, *subject.diagram.nodes]
    reasons = {(node.id, code): reason for node in nodes for code, reason in _excuses(node)}
    for finding in findings:
        place = (finding.element, finding.code)
        if reason := reasons.get(place):
            used.add(place)
            yield finding.excused(reason)
        else:
            yield finding
    for node in nodes:
        for code, reason in _excuses(node):
            if (node.id, code) not in used:
                why = "excuses no finding" if reason else "gives no reason"
                hint = "remove the property" if reason else "write the reason into the value of the property"
                yield _finding(
                    subject, node, EXCEPTION_UNUSED, f"has the property {EXCUSE + code!r}, which {why}", hint
                )


def _excuses(node: Node) -> Iterator[tuple[str, str]]:
    for item in node.extensions("property"):
        name = item.get("name", "")
        if name.startswith(EXCUSE):
            yield name.removeprefix(EXCUSE), item.get("value", "").strip()
