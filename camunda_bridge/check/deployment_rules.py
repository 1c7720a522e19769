"""The rules for what is deployed together: called processes, decisions, scripts and forms; each yields a finding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from camunda_bridge.bpmn import Node
from camunda_bridge.check.findings import DECISION_NOT_FOUND, FILE_NOT_FOUND, NOT_IN_DEPLOYMENT, PROCESS_NOT_FOUND
from camunda_bridge.check.rules import Found
from camunda_bridge.check.subject import Subject, Subjects
from camunda_bridge.package import references_of


def bindings(subject: Subject, others: Subjects) -> Iterator[Found]:
    """What a diagram binds to its deployment must be in its package, because a package is one deployment."""
    package = subject.package
    if package is None:
        return
    for bound in _bound(subject):
        known = package.processes if bound.kind == "process" else package.decisions
        if bound.binding == "deployment" and bound.key not in known:
            yield (
                bound.node,
                NOT_IN_DEPLOYMENT,
                f"binds the {bound.kind} {bound.key!r} to its deployment, but the folder of this file doesn't have it",
                "put its file into the same folder, or remove the binding so that the newest version is taken",
            )


def called(subject: Subject, others: Subjects) -> Iterator[Found]:
    """A called process and the decision of a business rule task must be in a package of this installation."""
    if subject.package is None:
        return
    packages = {other.package for other in others.good if other.package is not None}
    for bound in _bound(subject):
        is_process = bound.kind == "process"
        if bound.binding == "deployment" or (is_process and bound.key in others.elsewhere):
            continue
        known = [package.processes if is_process else package.decisions for package in packages]
        tags = [found[bound.key] for found in known if bound.key in found]
        code = PROCESS_NOT_FOUND if is_process else DECISION_NOT_FOUND
        what = f"{'calls' if is_process else 'evaluates'} the {bound.kind} {bound.key!r}"
        if not tags:
            file = "BPMN" if is_process else "DMN"
            or_else = f"declare it with define_process({bound.key!r}, deployed=True)" if is_process else "excuse this"
            hint = f"put its {file} file into a package; {or_else} if others deploy it"
            yield bound.node, code, f"{what}, which no {file} file of these packages has", hint
        elif bound.binding == "versionTag" and bound.tag not in tags and "{" not in bound.tag:
            hint = "correct the tag; excuse this if a version that was deployed earlier is meant"
            yield bound.node, code, f"{what} with the version tag {bound.tag!r}, which its file doesn't have", hint


def files(subject: Subject, others: Subjects) -> Iterator[Found]:
    """A script or form that a diagram names with `deployment:` must be in its package."""
    if subject.package is None:
        return
    for element in subject.diagram.root.xml.iter():
        for name in references_of(element):
            if name not in subject.package.files:
                yield (
                    subject.diagram.node_of(element),
                    FILE_NOT_FOUND,
                    f"names the file {name!r} of its deployment, which the folder doesn't have",
                    "put the file into the folder, or correct its name",
                )


class _Bound(NamedTuple):
    """A process or a decision that a node names. `kind`: what it is; `tag`: the version tag for the binding to one."""

    node: Node
    kind: str
    key: str
    binding: str
    tag: str


def _bound(subject: Subject) -> Iterator[_Bound]:
    """What nodes name, without expressions."""
    for node in subject.diagram.nodes:
        process, decision = node.called_element, node.attribute("decisionRef")
        if process and "{" not in process:
            binding, tag = node.attribute("calledElementBinding"), node.attribute("calledElementVersionTag")
            yield _Bound(node, "process", process, binding or "latest", tag or "")
        if decision and "{" not in decision and node.kind == "businessRuleTask":
            binding, tag = node.attribute("decisionRefBinding"), node.attribute("decisionRefVersionTag")
            yield _Bound(node, "decision", decision, binding or "latest", tag or "")
