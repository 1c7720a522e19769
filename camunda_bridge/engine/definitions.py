"""Requests for deployments and process definitions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from camunda_bridge.engine.base import EngineApi

#: the engine's id of a definition: key, version and a generated id, or that alone if the id would be longer than 64
#: characters
_ID = re.compile(r"(?P<key>[^:]+):(?P<version>\d+):[^:]+")
#: the encoding that an XML declaration names
_ENCODING = re.compile(r"""\A\ufeff?<\?xml\b[^>]*\bencoding=["']([^"']+)["']""")


class Definition(NamedTuple):
    """The key and the version of a process definition; versions begin at 1."""

    key: str
    version: int


class Definitions(EngineApi):
    """Requests for deployments and process definitions."""

    def deploy(self, name: str, files: Mapping[str, bytes]) -> list[str]:
        """Deploy `files` unless the newest deployment `name` holds the same files; returns ids of new definitions."""
        form: dict[str, Any] = {
            "deployment-name": name,
            "deployment-source": "celery-camunda",
            "enable-duplicate-filtering": "true",
            "deploy-changed-only": "true",
            **{file: (file, content) for file, content in files.items()},
        }
        answer = self.session.request("POST", f"{self._url}/deployment/create", files=form).json()
        return list(answer.get("deployedProcessDefinitions") or {})

    def definition(self, definition_id: str) -> Definition:
        """Key and version of a definition. The engine is asked only if its id does not show them.

        Raises:
            NotFound: the engine has no such definition.
        """
        if shown := _ID.fullmatch(definition_id):
            return Definition(shown["key"], int(shown["version"]))
        found = self.session.get(f"/process-definition/{definition_id}")
        return Definition(found["key"], int(found["version"]))

    def definition_file(self, definition_id: str) -> bytes:
        """The BPMN file of a definition, as it was deployed.

        Raises:
            NotFound: the engine has no such definition.
        """
        text: str = self.session.get(f"/process-definition/{definition_id}/xml")["bpmn20Xml"]
        declared = _ENCODING.match(text)
        if "\0" not in text and (declared is None or declared[1].lower() in ("utf-8", "utf8", "us-ascii")):
            return text.encode()
        # The engine has decoded the file as UTF-8, which it is not: read its bytes.
        definition = self.session.get(f"/process-definition/{definition_id}")
        files = f"/deployment/{definition['deploymentId']}/resources"
        file_id = next(file["id"] for file in self.session.get(files) if file["name"] == definition["resource"])
        return self.session.download(f"{files}/{file_id}/data")
