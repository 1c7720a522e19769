"""Incidents and the retries of jobs."""

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


class Incidents(EngineApi):
    """Incidents and the retries of jobs."""

    def incidents(self, *, first: int = 0, limit: int = PAGE) -> list[dict[str, Any]]:
        """Open incidents, oldest first."""
        found: list[dict[str, Any]] = self.session.get(
            "/incident", sortBy="incidentTimestamp", sortOrder="asc", firstResult=first, maxResults=limit
        )
        return found

    def incidents_of(self, instance_id: str) -> list[dict[str, Any]]:
        """Open incidents of one instance."""
        found: list[dict[str, Any]] = self.session.get("/incident", processInstanceId=instance_id)
        return found

    def incident(self, incident_id: str) -> dict[str, Any]:
        """One open incident.

        Raises:
            NotFound: it was resolved.
        """
        found: dict[str, Any] = self.session.get(f"/incident/{incident_id}")
        return found

    def set_job_retries(self, job_id: str, retries: int) -> None:
        """Give a job new retries; its incident goes away."""
        self.session.request("PUT", f"{self._url}/job/{job_id}/retries", json={"retries": retries})
