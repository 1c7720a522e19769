"""Deployments of a test run's own: process keys and topics get a suffix, so that nobody else's worker takes a task.

An engine that is reused may have workers at it, of `make run` for example, and the same process deployed. Activity ids
stay as they are in the diagram.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from uuid import uuid4

from camunda_bridge.client import Engine
from camunda_bridge.definition import ProcessDefinition


class Deployments:
    """What one test run deploys to an engine; each file once."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.suffix = f"-test-{uuid4().hex[:8]}"
        self._done: set[tuple[str, bytes]] = set()

    def deploy(self, process: ProcessDefinition, family: Iterable[ProcessDefinition]) -> None:
        """Deploy a process; what it calls of `family` is found under the names of this test run.

        Raises:
            EngineRefused: the engine does not take the file; the message says where it is wrong.
        """
        members = list(family)
        text = process.bpmn_path.read_bytes().decode()
        keys = "|".join(re.escape(member.key) for member in [process, *members])
        text = re.sub(rf"""(\bcalledElement=["'])({keys})(["'])""", rf"\1\2{self.suffix}\3", text)
        # An expression gives the key, and the engine puts together what stands beside it in the attribute.
        text = re.sub(r"""(\bcalledElement=(["'])[^"']*?[$#]\{.*?)(\2)""", rf"\1{self.suffix}\3", text)
        key = re.escape(process.key)
        text = re.sub(rf"""(\b(?:id|bpmnElement|processRef)=["'])({key})(["'])""", rf"\1\2{self.suffix}\3", text)
        text = re.sub(r"""(:topic=["'])([^"']+)(["'])""", rf"\1\2{self.suffix}\3", text)
        content = text.encode()
        if (process.key, content) not in self._done:
            name = process.key + self.suffix
            self.engine.deploy(name, {process.bpmn_path.name: content})
            self._done.add((process.key, content))

    def key(self, key: str) -> str:
        """A process key, or a topic, as the engine knows it in this test run."""
        return key + self.suffix

    def original(self, name: str) -> str:
        """The reverse of :meth:`key`."""
        return name.removesuffix(self.suffix)

    def delete(self) -> None:
        """Delete all of it, with its instances and their history."""
        for name in {key for key, _ in self._done}:
            delete_deployments(self.engine, self.key(name))
        self._done.clear()


def delete_deployments(engine: Engine, name: str) -> None:
    """Delete all deployments of a name, with their instances and history."""
    session = engine.session
    for deployment in session.get("/deployment", name=name):
        url = f"{session.base_url}/deployment/{deployment['id']}"
        session.request("DELETE", url, params={"cascade": "true", "skipCustomListeners": "true"})
