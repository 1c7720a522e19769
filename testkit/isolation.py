"""Isolates the deployments of a test run: process keys and topics get a suffix, so that no other worker fetches tasks.

An engine that is reused may have other workers, for example those of `make run`, and may have the same process
deployed. Activity ids don't change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from uuid import uuid4

from camunda_bridge.client import Engine
from camunda_bridge.definition import ProcessDefinition


class Deployments:
    """The deployments of one test run on an engine; each file is deployed once."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.suffix = f"-test-{uuid4().hex[:8]}"
        self._done: set[tuple[str, bytes]] = set()

    def deploy(self, process: ProcessDefinition, family: Iterable[ProcessDefinition]) -> None:
        """Deploy a process, with the suffix of this test run also in its calls to processes of `family`.

        Raises:
            EngineRefused: the engine refused the file; the message names the place of the error.
        """
        members = list(family)
        text = process.bpmn_path.read_bytes().decode()
        keys = "|".join(re.escape(member.key) for member in [process, *members])
        text = re.sub(rf"""(\bcalledElement=["'])({keys})(["'])""", rf"\1\2{self.suffix}\3", text)
        # When the key is an expression, the engine appends the text after it in the attribute: the suffix.
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
        """A process key or a topic with the suffix of this test run."""
        return key + self.suffix

    def original(self, name: str) -> str:
        """A process key or a topic without the suffix of this test run."""
        return name.removesuffix(self.suffix)

    def delete(self) -> None:
        """Delete all deployments of this test run, with their instances and history."""
        for name in {key for key, _ in self._done}:
            delete_deployments(self.engine, self.key(name))
        self._done.clear()


def delete_deployments(engine: Engine, name: str) -> None:
    """Delete all deployments with this name, with their instances and history."""
    session = engine.session
    for deployment in session.get("/deployment", name=name):
        url = f"{session.base_url}/deployment/{deployment['id']}"
        session.request("DELETE", url, params={"cascade": "true", "skipCustomListeners": "true"})
