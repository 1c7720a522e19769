"""Deploy the BPMN files of this installation to the engine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from camunda_bridge.definition import ProcessDefinition
from camunda_bridge.errors import BridgeError
from service.errors import DeployError
from tasks.processes import registry
from tasks.runtime import runtime


def deploy_all() -> dict[str, list[str]]:
    """Deploy all processes.

    Returns:
        Process key -> ids of the new definitions; no ids if the engine had the diagram already.

    Raises:
        DeployError: a file is invalid, and nothing was deployed; or the engine refused a file. The message names the
            process or the file.
    """
    engine = runtime().engine
    by_file: dict[Path, list[ProcessDefinition]] = {}
    for process in registry:
        _require_file(process)
        by_file.setdefault(process.bpmn_path, []).append(process)
    done: dict[str, list[str]] = {}
    for path, processes in by_file.items():
        # One deployment for each file: it makes a new version of every process in it.
        name = processes[0].key
        try:
            new = engine.deploy(name, {path.name: processes[0].content()})
            of_key = {
                process.key: [item for item in new if engine.definition(item).key == process.key]
                for process in processes
            }
        except BridgeError as error:
            raise DeployError(f"{name}: {error}") from error
        done |= of_key
    return done


@dataclass(frozen=True, slots=True)
class Deployed:
    """A process in the engine.

    Attributes:
        key: its key.
        version: its newest version; 0 if it is not deployed.
        running: its running instances, of all versions.
        changed: the file of this installation differs from the newest version.
    """

    key: str
    version: int
    running: int
    changed: bool


def definitions() -> list[Deployed]:
    """All processes of this installation as the engine has them, sorted by key.

    Raises:
        DeployError: the engine is unavailable, or a file cannot be read.
    """
    processes = sorted(registry, key=lambda process: process.key)
    for process in processes:
        _require_file(process)
    try:
        return [_deployed(process) for process in processes]
    except BridgeError as error:
        raise DeployError(str(error)) from error


def _require_file(process: ProcessDefinition) -> None:
    try:
        process.diagram()
    except BridgeError as error:
        raise DeployError(f"{process.bpmn_path}: {error}") from error


def _deployed(process: ProcessDefinition) -> Deployed:
    session = runtime().engine.session
    found = session.get("/process-definition", key=process.key, latestVersion="true", withoutTenantId="true")
    running = session.get("/process-instance/count", processDefinitionKey=process.key)["count"]
    if not found:
        return Deployed(process.key, 0, running, changed=True)
    changed = runtime().engine.definition_file(found[0]["id"]) != process.content()
    return Deployed(process.key, found[0]["version"], running, changed)
