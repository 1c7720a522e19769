"""Deploy the packages of this installation to the engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from camunda_bridge.definition import ProcessDefinition
from camunda_bridge.engine.definitions import SOURCE, Definition
from camunda_bridge.errors import BridgeError, EngineUnavailable
from camunda_bridge.package import Package
from service.catalogue import package_faults
from service.errors import DeployError
from tasks.processes import registry
from tasks.runtime import runtime

#: the files of a process compared with its newest deployment in the engine; `none`: others deploy the process
File = Literal["deployed", "changed", "missing", "invalid", "none"]


@dataclass(slots=True)
class Deployment:
    """What a deployment did.

    Attributes:
        new: process key -> its new definitions; none if the engine had all the files already.
        faults: one line for each package or file that was not deployed. All others were.
    """

    new: dict[str, list[Definition]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def deploy_all() -> Deployment:
    """Deploy the packages that differ from what the engine has now. A bad package does not stop the others.

    Raises:
        DeployError: the engine is unavailable.
    """
    done = Deployment(faults=package_faults())
    for package, processes in valid_packages():
        try:
            new = _deploy(package, processes[0].key)
        except EngineUnavailable as error:
            raise DeployError(str(error)) from error
        except BridgeError as error:
            # The engine lists all faults of a file, each on a line.
            reason = " ".join(str(error).split())
            done.faults.append(f"{package.folder}: {reason}")
        else:
            done.new |= {process.key: [item for item in new if item.key == process.key] for process in processes}
    return done


def valid_packages() -> list[tuple[Package, list[ProcessDefinition]]]:
    """The packages whose files are all valid, each with its processes."""
    by_folder: dict[Path, list[ProcessDefinition]] = {}
    for process in registry:
        if process.file is not None:
            by_folder.setdefault(process.file.parent, []).append(process)
    return [
        (Package(folder), processes)
        for folder, processes in by_folder.items()
        if not any(registry.fault_of(process) for process in processes)
    ]


def _deploy(package: Package, name: str) -> list[Definition]:
    engine = runtime().engine
    newest = engine.newest_deployment(set(package.processes))
    if newest is not None and engine.deployment_files(newest) == package.files:
        return []
    # If somebody else deployed last, the engine would compare with the last deployment from here, and do nothing.
    is_ours = newest is not None and engine.deployment(newest)["source"] == SOURCE
    return [engine.definition(item) for item in engine.deploy(name, package.files, anew=not is_ours)]


@dataclass(frozen=True, slots=True)
class Deployed:
    """A process in the engine.

    Attributes:
        key: its key.
        version: its newest version; 0 if it is not deployed.
        running: its running instances, of all versions.
        file: how the files of its package compare with the newest deployment.
    """

    key: str
    version: int
    running: int
    file: File


def definitions() -> list[Deployed]:
    """All processes of this installation as the engine has them, sorted by key.

    Raises:
        DeployError: the engine is unavailable.
    """
    try:
        same = {process.key for package, processes in valid_packages() if _is_same(package) for process in processes}
        newest = runtime().engine.newest_definitions(process.key for process in registry)
        return [
            _deployed(process, newest.get(process.key), is_same=process.key in same)
            for process in sorted(registry, key=lambda process: process.key)
        ]
    except BridgeError as error:
        raise DeployError(str(error)) from error


def _is_same(package: Package) -> bool:
    engine = runtime().engine
    newest = engine.newest_deployment(set(package.processes))
    return newest is not None and engine.deployment_files(newest) == package.files


def _deployed(process: ProcessDefinition, newest: dict[str, Any] | None, *, is_same: bool) -> Deployed:
    count = runtime().engine.running_count(process.key)
    file: File = "deployed" if is_same else "changed"
    if newest is None:
        file = "missing"
    elif process.file is None:
        file = "none"
    elif registry.fault_of(process):
        file = "invalid"
    return Deployed(process.key, 0 if newest is None else newest["version"], count, file)
