"""Deployments and definitions."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import pycamunda.externaltask
import pycamunda.incident
import pycamunda.message
import pycamunda.processdef
import pycamunda.processinst

from camunda_bridge.engine.base import PAGE, EngineApi
from camunda_bridge.errors import EngineRefused, LockLost, NotFound, VariableError
from camunda_bridge.variables import MAX_STRING, Typed, format_date, in_one_form, parse_date


class Definitions(EngineApi):
    """Deployments and definitions."""

    def deploy(self, name: str, files: Mapping[str, bytes]) -> list[str]:
        """Deploy `files` unless the newest deployment of this name is the same; ids of what is new."""
        form: dict[str, Any] = {
            "deployment-name": name,
            "deployment-source": "celery-camunda",
            "enable-duplicate-filtering": "true",
            "deploy-changed-only": "true",
            **{file: (file, content) for file, content in files.items()},
        }
        answer = self.session.request("POST", f"{self._url}/deployment/create", files=form).json()
        return list(answer.get("deployedProcessDefinitions") or {})

    def definition_xml(self, definition_id: str) -> str:
        """The BPMN of a deployed definition."""
        return str(self.session.get(f"/process-definition/{definition_id}/xml")["bpmn20Xml"])
