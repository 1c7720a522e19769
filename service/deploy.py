"""Deploy the BPMN files of this installation to the engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from camunda_bridge.definition import ProcessDefinition
from camunda_bridge.errors import BridgeError, EngineUnavailable
from service.catalogue import package_faults
from service.errors import DeployError
from tasks.processes import registry
from tasks.runtime import runtime

#: the BPMN file of a process compared with its newest version in the engine; `none`: others deploy the process
File = Literal["deployed", "changed", "missing", "invalid", "none"]


@dataclass(slots=True)
class Deployment:
    """What a deployment did.

    Attributes:
        new: process key -> ids of the new definitions; no ids if the engine had the diagram already.
        faults: one line for each package or file that was not deployed. All others were.
    """

    new: dict[str, list[str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def deploy_all() -> Deployment:
    """Deploy the files of all processes, except those that others deploy. A bad file does not stop the others.

    Raises:
        DeployError: the engine is unavailable.
    """
    done = Deployment(faults=package_faults())
    by_file: dict[Path, list[ProcessDefinition]] = {}
    for process in registry:
        if process.file is not None and not registry.fault_of(process):
            by_file.setdefault(process.file, []).append(process)
    for path, processes in by_file.items():
        try:
            done.new |= _deploy(path, processes)
        except EngineUnavailable as error:
            raise DeployError(str(error)) from error
        except BridgeError as error:
            done.faults.append(f"{path}: {error}")
    return done


def _deploy(path: Path, processes: list[ProcessDefinition]) -> dict[str, list[str]]:
    # One deployment for each file: it makes a new version of every process in it.
    engine = runtime().engine
    new = engine.deploy(processes[0].key, {path.name: processes[0].content()})
    return {process.key: [item for item in new if engine.definition(item).key == process.key] for process in processes}


@dataclass(frozen=True, slots=True)
class Deployed:
    """A process in the engine.

    Attributes:
        key: its key.
        version: its newest version; 0 if it is not deployed.
        running: its running instances, of all versions.
        file: how its file compares with the newest version.
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
        return [_deployed(process) for process in sorted(registry, key=lambda process: process.key)]
    except BridgeError as error:
        raise DeployError(str(error)) from error


def _deployed(process: ProcessDefinition) -> Deployed:
    session = runtime().engine.session
    found = session.get("/process-definition", key=process.key, latestVersion="true", withoutTenantId="true")
    running = session.get("/process-instance/count", processDefinitionKey=process.key)["count"]
    if not found:
        return Deployed(process.key, 0, running, "missing")
    return Deployed(process.key, found[0]["version"], running, _file(process, found[0]["id"]))


def _file(process: ProcessDefinition, definition_id: str) -> File:
    if process.file is None:
        return "none"
    if registry.fault_of(process):
        return "invalid"
    return "deployed" if runtime().engine.definition_file(definition_id) == process.content() else "changed"
