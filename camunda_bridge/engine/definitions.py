"""Requests for deployments and process definitions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from camunda_bridge.engine.base import EngineApi


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

    def definition_version(self, definition_id: str) -> int:
        """The version of a definition, from 1.

        Raises:
            NotFound: the engine has no such definition.
        """
        return int(self.session.get(f"/process-definition/{definition_id}")["version"])

    def definition_xml(self, definition_id: str) -> str:
        """The BPMN XML of a deployed definition."""
        return str(self.session.get(f"/process-definition/{definition_id}/xml")["bpmn20Xml"])
