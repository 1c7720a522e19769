"""Deploy the BPMN files of this installation to the engine."""

from __future__ import annotations

from camunda_bridge.errors import BridgeError
from tasks.processes import registry
from tasks.runtime import runtime


class DeployError(Exception):
    """A BPMN file could not be deployed."""


def deploy_all() -> dict[str, list[str]]:
    """Process key -> ids of definitions that are new; empty for what the engine had already.

    Raises:
        DeployError: names the process whose file is wrong or was refused.
    """
    done: dict[str, list[str]] = {}
    for process in registry:
        try:
            process.bpmn()
            files = {process.bpmn_path.name: process.bpmn_path.read_bytes()}
            done[process.key] = runtime().engine.deploy(process.key, files)
        except BridgeError as error:
            raise DeployError(f"{process.key}: {error}") from error
    return done
