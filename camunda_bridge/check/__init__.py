"""Checks that diagrams agree with the code of their steps; needs no engine, broker or database for files.

    for finding in check(registry):
        print(finding)

To excuse a finding, add an extension property to the element of the diagram (in the Modeler: Extension properties). Its
name is ``ignore:CODE``, and its value is the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from camunda_bridge.bpmn import Node
from camunda_bridge.check import deployment_rules, expression_rules, rules, variable_rules
from camunda_bridge.check.error_rule import uncaught_ends, uncaught_errors
from camunda_bridge.check.findings import (
    BPMN_UNREADABLE,
    CODES,
    EXCEPTION_UNUSED,
    NOT_DEPLOYED,
    PACKAGE_NOT_LOADED,
    Finding,
    shown_path,
)
from camunda_bridge.check.subject import Source, Sources, Subject, Subjects
from camunda_bridge.definition import ProcessDefinition
from camunda_bridge.deployed import DeployedDiagrams
from camunda_bridge.errors import DefinitionError, NotDeployed
from camunda_bridge.package import Package
from camunda_bridge.registry import PackageFault, Registry
from camunda_bridge.steps import StepDefinition

__all__ = ["CODES", "Finding", "check", "check_deployed", "check_files"]

#: the scripting languages of Camunda's and Operaton's distributions
LANGUAGES = ("groovy", "javascript")
_RULES = (
    rules.topics,
    uncaught_errors,
    uncaught_ends,
    rules.responses,
    rules.business_keys,
    deployment_rules.bindings,
    deployment_rules.called,
    deployment_rules.files,
    expression_rules.languages,
    rules.fields,
    expression_rules.variables,
    variable_rules.names,
    variable_rules.java_objects,
    variable_rules.shared_variables,
)
#: prefix of the name of an extension property that excuses a finding
EXCUSE = "ignore:"


def check_files(registry: Registry, languages: Iterable[str] = LANGUAGES) -> list[Finding]:
    """What is wrong with the packages and BPMN files of an installation; processes that others deploy are left out.

    Args:
        registry: the processes and workers.
        languages: the scripting languages of the engine.
    """
    with_file = [process for process in registry if process.file is not None]
    elsewhere = [process.key for process in registry if process.file is None]
    found = check(with_file, registry.shared, languages=languages, elsewhere=elsewhere)
    return [*map(_not_loaded, registry.faults), *found]


def check_deployed(
    registry: Registry, deployed: DeployedDiagrams, languages: Iterable[str] = LANGUAGES
) -> list[Finding]:
    """What is wrong between the code of an installation and the versions that run in the engine.

    Args:
        registry: the processes and workers.
        deployed: finds the diagrams.
        languages: the scripting languages of the engine.

    Raises:
        EngineUnavailable: the engine does not answer.
    """

    def sources(process: ProcessDefinition) -> Iterator[Source]:
        for version in deployed.versions(process.key):
            place = f"{process.key} version {version.number} in the engine"
            yield Source(place, deployed.diagram(version), package=None)

    return [*map(_not_loaded, registry.faults), *check(registry, registry.shared, sources, languages=languages)]


def _in_file(process: ProcessDefinition) -> list[Source]:
    package, diagram = Package(process.bpmn_path.parent), process.diagram()
    if fault := package.fault():
        raise DefinitionError(fault)
    return [Source(shown_path(process.bpmn_path), diagram, package)]


def check(
    processes: Iterable[ProcessDefinition],
    shared: Mapping[str, StepDefinition] | None = None,
    sources: Sources = _in_file,
    *,
    languages: Iterable[str] = LANGUAGES,
    elsewhere: Iterable[str] = (),
) -> list[Finding]:
    """The findings: where diagrams and code don't agree. A finding that the diagram excuses has the reason with it.

    Args:
        processes: all processes of the installation, because a process is checked together with those that call it.
        shared: the steps of workers, by topic; a diagram that uses one is checked against it.
        sources: finds the diagrams of a process; by default the one in its file.
        languages: the scripting languages of the engine.
        elsewhere: keys of processes of the installation that others deploy.
    """
    subjects = Subjects(processes, shared or {}, sources, languages, elsewhere)
    findings = [_unreadable(process, error) for process, error in subjects.faults]
    for subject in subjects.good:
        findings += _excused(
            subject, [_finding(subject, *found) for rule in _RULES for found in rule(subject, subjects)]
        )
    return findings


def _not_loaded(fault: PackageFault) -> Finding:
    return Finding(
        shown_path(fault.path) if fault.path is not None else fault.module,
        fault.line or 1,
        "",
        "",
        fault.module,
        PACKAGE_NOT_LOADED,
        fault.reason,
        "correct it and start again; all other packages run",
        is_file=fault.path is not None,
    )


def _unreadable(process: ProcessDefinition, error: DefinitionError) -> Finding:
    code, hint = BPMN_UNREADABLE, "the file must have an executable process whose id is the key given to define_process"
    if isinstance(error, NotDeployed):
        code, hint = NOT_DEPLOYED, "deploy it, or correct the key given to define_process"
    place = process.key if process.file is None else shown_path(process.file)
    name = process.process_name if process.process_name != process.key else ""
    return Finding(
        place, error.line or 1, process.key, process.key, name, code, str(error), hint, is_file=process.file is not None
    )


def _finding(subject: Subject, node: Node, code: str, message: str, hint: str) -> Finding:
    name = " ".join(node.name.split())
    line, is_file = subject.diagram.line(node), subject.package is not None
    return Finding(subject.place, line, subject.process.key, node.id, name, code, message, hint, is_file)


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
