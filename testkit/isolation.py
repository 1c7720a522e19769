"""Isolates the deployments of a test run: process keys and topics get a suffix, so that no other worker fetches tasks.

An engine that is reused may have other workers, for example those of `make run`, and may have the same process
deployed. Activity ids don't change.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import uuid4

from lxml import etree

from camunda_bridge.bpmn import BPMN, ENGINES, Diagram, parse_xml, read_diagram
from camunda_bridge.client import Engine
from camunda_bridge.definition import ProcessDefinition
from camunda_bridge.deployed import DeployedDiagrams

_TOPIC = frozenset(namespace + "topic" for namespace in ENGINES)


class Deployments:
    """The deployments of one test run on an engine; each file is deployed once."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.suffix = f"-test-{uuid4().hex[:8]}"
        #: the deployed files, and the names of their deployments
        self._done: dict[bytes, str] = {}

    def deploy(self, process: ProcessDefinition, family: Iterable[ProcessDefinition]) -> None:
        """Deploy a process, with the suffix of this test run also in its calls to processes of `family`.

        Raises:
            EngineRefused: the engine refused the file; the message names the place of the error.
        """
        content = self._isolated(self._content(process), {member.key for member in family})
        if content not in self._done:
            name = self._done[content] = self.key(process.key)
            file = f"{process.key}.bpmn" if process.file is None else process.file.name
            self.engine.deploy(name, {file: content})

    def diagram(self, process: ProcessDefinition) -> Diagram:
        """The diagram of a process: from its file, or if others deploy it, from its newest version in the engine.

        Raises:
            DefinitionError: the file is missing or invalid, or the engine has no version.
        """
        return process.diagram() if process.file is not None else read_diagram(self._content(process), process.key)

    def _content(self, process: ProcessDefinition) -> bytes:
        if process.file is not None:
            return process.content()
        newest = DeployedDiagrams(lambda: self.engine).versions(process.key)[0]
        return self.engine.definition_file(newest.id)

    def _isolated(self, content: bytes, called: set[str]) -> bytes:
        """A file with the suffix at its processes, at its topics, and at the calls of these and of `called`."""
        root = parse_xml(content)
        own = {process.get("id", "") for process in root.iter(BPMN + "process")}
        for element in root.iter():
            for name, value in element.attrib.items():
                if (
                    (name == "id" and element.tag == BPMN + "process")
                    or (name in ("bpmnElement", "processRef") and value in own)
                    # When the key is an expression, the engine appends the text after it in the attribute.
                    or (name == "calledElement" and (value in called | own or "{" in value))
                    or name in _TOPIC
                ):
                    element.set(name, self.key(value))
        return etree.tostring(root, encoding="UTF-8", xml_declaration=True)

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
