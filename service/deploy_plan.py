"""What a deployment would change, found out without deploying anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from camunda_bridge.bpmn import Diagram, parse_xml, process_ids, read_diagram
from camunda_bridge.bpmn.diff import ElementChange, Kind, compare, other_parts
from camunda_bridge.deployed import DeployedDiagrams
from camunda_bridge.errors import BridgeError, DefinitionError
from camunda_bridge.package import BPMN_SUFFIXES, Package
from service.catalogue import package_faults
from service.deploy import valid_packages
from service.errors import DeployError
from service.running_versions import RunningVersion, UnhandledStep, running_versions, unhandled_steps
from tasks.runtime import runtime


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file of a package that differs from the newest deployment. `name`: its path in the package."""

    change: Kind
    name: str


@dataclass(frozen=True, slots=True)
class ProcessPlan:
    """What a deployment would do to a process.

    Attributes:
        change: `added`: the engine does not have it yet. `removed`: its package no longer has it; its versions stay.
            `changed`: it gets a new version. `unchanged`: it gets none.
        version: its newest version in the engine; 0 without one.
        file: its file, by its path in the package; in the newest deployment if the package no longer has it.
        elements: the elements that differ from the newest version.
        other: what else differs in its file, by :func:`other_parts`.
        is_file_changed: False if other files of its package are the reason for the new version.
        unhandled: the steps of the new diagram without a handler.
        running: the versions with running instances.
        fault: why the newest version cannot be compared; empty if it was.
    """

    key: str
    change: Literal["added", "removed", "changed", "unchanged"]
    version: int
    file: str
    elements: tuple[ElementChange, ...] = ()
    other: tuple[str, ...] = ()
    is_file_changed: bool = False
    unhandled: tuple[UnhandledStep, ...] = ()
    running: tuple[RunningVersion, ...] = ()
    fault: str = ""

    @property
    def has_unhandled(self) -> bool:
        """True if the new diagram, or a version with running instances, has a step without a handler."""
        return bool(self.unhandled) or any(version.unhandled for version in self.running)


@dataclass(frozen=True, slots=True)
class PackagePlan:
    """What a deployment would do to a package. `name`: that of its folder. `files`: those that differ."""

    name: str
    files: tuple[FileChange, ...]
    processes: tuple[ProcessPlan, ...]
    is_changed: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What a deployment would do. `faults`: one line for each package that would not be deployed."""

    packages: tuple[PackagePlan, ...]
    faults: tuple[str, ...]

    @property
    def is_changed(self) -> bool:
        """True if anything would be deployed."""
        return any(package.is_changed for package in self.packages)

    @property
    def has_unhandled(self) -> bool:
        """True if there is a step without a handler."""
        return any(process.has_unhandled for package in self.packages for process in package.processes)


def plan_all() -> Plan:
    """Compare all packages with the engine's newest deployments.

    Raises:
        DeployError: the engine is unavailable.
    """
    packages = [package for package, _ in valid_packages()]
    here = {key for package in packages for key in set(package.processes)}
    deployed = DeployedDiagrams(lambda: runtime().engine)
    try:
        plans = tuple(_package_plan(package, here, deployed) for package in packages)
    except BridgeError as error:
        raise DeployError(str(error)) from error
    return Plan(plans, tuple(package_faults()))


def _package_plan(package: Package, here: set[str], deployed: DeployedDiagrams) -> PackagePlan:
    newest = runtime().engine.newest_definitions(sorted(set(package.processes)))
    deployments = {item["deploymentId"] for item in newest.values()}
    before, after = _files(newest.values()), package.files
    is_changed = len(deployments) != 1 or set(newest) != set(package.processes) or before != after
    processes = [
        _process_plan(
            key,
            diagram,
            newest.get(key),
            deployed,
            file=file,
            is_changed=is_changed,
            is_file_changed=key not in newest or before.get(newest[key]["resource"]) != after[file],
        )
        for key, (file, diagram) in _diagrams(after).items()
    ]
    # Another package may have taken a process over, or somebody deployed it since.
    gone = _diagrams(before).keys() - here
    for key, item in runtime().engine.newest_definitions(sorted(gone)).items():
        if item["deploymentId"] in deployments:
            running = tuple(running_versions(deployed, key, None))
            version, file = item["version"], item["resource"]
            processes.append(ProcessPlan(key, "removed", version, file, is_file_changed=True, running=running))
    return PackagePlan(package.folder.name, tuple(_file_changes(before, after)), tuple(processes), is_changed)


def _process_plan(
    key: str,
    new: Diagram,
    newest: Mapping[str, Any] | None,
    deployed: DeployedDiagrams,
    *,
    file: str,
    is_changed: bool,
    is_file_changed: bool,
) -> ProcessPlan:
    unhandled = tuple(UnhandledStep(node.id, node.topic or "", 0) for node in unhandled_steps(new))
    if newest is None:
        return ProcessPlan(key, "added", 0, file, tuple(compare(None, new)), (), True, unhandled)
    running = tuple(running_versions(deployed, key, new))
    elements, other, fault = tuple[ElementChange, ...](), tuple[str, ...](), ""
    if is_file_changed:
        try:
            old = read_diagram(runtime().engine.definition_file(newest["id"]), key)
            elements, other = tuple(compare(old, new)), tuple(other_parts(old, new))
        except DefinitionError as error:
            fault = f"version {newest['version']} cannot be compared: {error}"
    change: Literal["changed", "unchanged"] = "changed" if is_changed else "unchanged"
    version = newest["version"]
    return ProcessPlan(key, change, version, file, elements, other, is_file_changed, unhandled, running, fault)


def _files(newest: Iterable[Mapping[str, Any]]) -> dict[str, bytes]:
    """The files of the newest deployments. Usually it is one; a deployment by hand may have had a part of the files."""
    found: dict[str, bytes] = {}
    engine = runtime().engine
    for deployment in {item["deploymentId"]: None for item in sorted(newest, key=lambda item: int(item["version"]))}:
        found |= engine.deployment_files(deployment)
    return found


def _diagrams(files: Mapping[str, bytes]) -> dict[str, tuple[str, Diagram]]:
    """The executable processes of all BPMN files: key -> name of the file, and diagram."""
    found: dict[str, tuple[str, Diagram]] = {}
    for name, content in files.items():
        if name.endswith(BPMN_SUFFIXES):
            try:
                keys = process_ids(parse_xml(content))
            except DefinitionError:
                # A file that another client deployed, and that only the engine can read.
                continue
            found |= {key: (name, read_diagram(content, key)) for key in keys}
    return found


def _file_changes(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> Iterable[FileChange]:
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            yield FileChange("added", name)
        elif name not in after:
            yield FileChange("removed", name)
        elif before[name] != after[name]:
            yield FileChange("changed", name)
