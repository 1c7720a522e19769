"""Isolates the deployments of a test run: their names get a suffix, so that no other worker fetches the tasks.

An engine that is reused may have other workers, for example those of `make run`, and may have the same process
deployed. Activity ids don't change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

from camunda_bridge.bpmn import Diagram, read_diagram
from camunda_bridge.client import Engine
from camunda_bridge.definition import ProcessDefinition
from camunda_bridge.errors import NotDeployed
from camunda_bridge.package import Package
from testkit.renaming import renamed


class Deployments:
    """The deployments of one test run on an engine; each package is deployed once."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.suffix = f"-test-{uuid4().hex[:8]}"
        #: names of deployments, by their files
        self._done: dict[tuple[tuple[str, bytes], ...], str] = {}

    def deploy(self, process: ProcessDefinition, family: Iterable[ProcessDefinition]) -> None:
        """Deploy the package of a process, with the suffix also in its calls to processes of `family`.

        Raises:
            DefinitionError: a file is missing or invalid, or the engine has no version of a process that others deploy.
            EngineRefused: the engine refused a file; the message names the place of the error.
        """
        files = renamed(self._files(process), self.suffix, {member.key for member in family})
        content = tuple(sorted(files.items()))
        if content not in self._done:
            name = self._done[content] = self.key(process.key)
            self.engine.deploy(name, files)

    def diagram(self, process: ProcessDefinition) -> Diagram:
        """The diagram of a process: from its file, or if others deploy it, from its newest version in the engine.

        Raises:
            DefinitionError: the file is missing or invalid, or the engine has no version.
        """
        if process.file is not None:
            return process.diagram()
        newest = self._newest(process)
        return read_diagram(self.engine.definition_file(newest["id"]), process.key)

    def _files(self, process: ProcessDefinition) -> Mapping[str, bytes]:
        if process.file is None:
            return self.engine.deployment_files(self._newest(process)["deploymentId"])
        process.diagram()
        return Package(process.file.parent).files

    def _newest(self, process: ProcessDefinition) -> dict[str, Any]:
        found = self.engine.newest_definitions([process.key])
        if process.key not in found:
            raise NotDeployed(f"process {process.key!r}: the engine has no version of it")
        return found[process.key]

    def key(self, key: str) -> str:
        """A process key or a topic with the suffix of this test run."""
        return key + self.suffix

    def original(self, name: str) -> str:
        """A process key or a topic without the suffix of this test run."""
        return name.removesuffix(self.suffix)

    def delete(self) -> None:
        """Delete all deployments of this test run, with their instances and history."""
        for name in set(self._done.values()):
            delete_deployments(self.engine, name)
        self._done.clear()


def delete_deployments(engine: Engine, name: str) -> None:
    """Delete all deployments with this name, with their instances and history."""
    session = engine.session
    for deployment in session.get("/deployment", name=name):
        url = f"{session.base_url}/deployment/{deployment['id']}"
        session.request("DELETE", url, params={"cascade": "true", "skipCustomListeners": "true"})
