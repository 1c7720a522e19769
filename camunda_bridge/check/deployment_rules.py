"""The rules for what is deployed together: called processes, decisions, scripts and forms; each yields a finding."""

from __future__ import annotations

from collections.abc import Iterator

from camunda_bridge.bpmn import Node
from camunda_bridge.check.findings import DECISION_NOT_FOUND, FILE_NOT_FOUND, NOT_IN_DEPLOYMENT
from camunda_bridge.check.rules import Found
from camunda_bridge.check.subject import Subject, Subjects
from camunda_bridge.package import Package, references_of


def bindings(subject: Subject, others: Subjects) -> Iterator[Found]:
    """What a diagram binds to its deployment must be in its package, because a package is one deployment."""
    package = subject.package
    if package is None:
        return
    for node, kind, key, binding in _bound(subject):
        known = package.process_keys if kind == "process" else package.decision_keys
        if binding == "deployment" and key not in known:
            yield (
                node,
                NOT_IN_DEPLOYMENT,
                f"binds the {kind} {key!r} to its deployment, but the folder of this file doesn't have it",
                "put its file into the same folder, or remove the binding so that the newest version is taken",
            )


def decisions(subject: Subject, others: Subjects) -> Iterator[Found]:
    """The decision of a business rule task must be in a package of this installation."""
    if subject.package is None:
        return
    for node, kind, key, binding in _bound(subject):
        if kind == "decision" and binding != "deployment" and not any(key in it.decision_keys for it in _all(others)):
            yield (
                node,
                DECISION_NOT_FOUND,
                f"evaluates the decision {key!r}, which no DMN file of these packages has",
                "put its DMN file into the folder; excuse this if others deploy the decision",
            )


def files(subject: Subject, others: Subjects) -> Iterator[Found]:
    """A script or form that a diagram names with `deployment:` must be in its package."""
    if subject.package is None:
        return
    # A node inside another one comes after it.
    inner = {element: node for node in subject.diagram.nodes for element in node.xml.iter()}
    for element in subject.diagram.root.xml.iter():
        for name in references_of(element):
            if name not in subject.package.files:
                yield (
                    inner.get(element, subject.diagram.root),
                    FILE_NOT_FOUND,
                    f"names the file {name!r} of its deployment, which the folder doesn't have",
                    "put the file into the folder, or correct its name",
                )


def _bound(subject: Subject) -> Iterator[tuple[Node, str, str, str]]:
    """The nodes that name a process or a decision: with what it is, its key and the binding; without expressions."""
    for node in subject.diagram.nodes:
        process, decision = node.called_element, node.attribute("decisionRef")
        if process and "{" not in process:
            yield node, "process", process, node.attribute("calledElementBinding") or "latest"
        if decision and "{" not in decision and node.kind == "businessRuleTask":
            yield node, "decision", decision, node.attribute("decisionRefBinding") or "latest"


def _all(others: Subjects) -> set[Package]:
    return {other.package for other in others.good if other.package is not None}
