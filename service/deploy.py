"""Deploy the BPMN files of this installation to the engine."""

from __future__ import annotations

from dataclasses import dataclass

from camunda_bridge.definition import ProcessDefinition
from camunda_bridge.errors import BridgeError
from service.errors import DeployError
from tasks.processes import registry
from tasks.runtime import runtime


def deploy_all() -> dict[str, list[str]]:
    """Process key -> ids of definitions that are new; empty for what the engine had already.

    Raises:
        DeployError: names the process whose file is wrong, and nothing is deployed, or was refused.
    """
    done: dict[str, list[str]] = {}
    for process in registry:
        _require_file(process)
    for process in registry:
        try:
            files = {process.bpmn_path.name: process.bpmn_path.read_bytes()}
            done[process.key] = runtime().engine.deploy(process.key, files)
        except BridgeError as error:
            raise DeployError(f"{process.key}: {error}") from error
    return done


@dataclass(frozen=True, slots=True)
class Deployed:
    """One process at the engine: its newest version, 0 for none, and whether the file here has `changed` since."""

    key: str
    version: int
    running: int
    changed: bool


def definitions() -> list[Deployed]:
    """Every process of this installation, by key: its newest version, and its running instances of all versions.

    Raises:
        DeployError: the engine does not answer, or a file cannot be read.
    """
    processes = sorted(registry, key=lambda process: process.key)
    for process in processes:
        _require_file(process)
    try:
        return [_look(process) for process in processes]
    except (BridgeError, OSError) as error:
        raise DeployError(str(error)) from error


def _require_file(process: ProcessDefinition) -> None:
    try:
        process.bpmn()
    except BridgeError as error:
        raise DeployError(f"{process.bpmn_path}: {error}") from error


def _look(process: ProcessDefinition) -> Deployed:
    session = runtime().engine.session
    found = session.get("/process-definition", key=process.key, latestVersion="true", withoutTenantId="true")
    running = session.get("/process-instance/count", processDefinitionKey=process.key)["count"]
    if not found:
        return Deployed(process.key, 0, running, changed=True)
    xml = runtime().engine.definition_xml(found[0]["id"])
    # The engine keeps a file as it came, but for how lines end.
    changed = xml.splitlines() != process.bpmn_path.read_text("utf-8").splitlines()
    return Deployed(process.key, found[0]["version"], running, changed)
