"""Requests for incidents and for the retries of jobs."""

from __future__ import annotations

from typing import Any

from camunda_bridge.engine.base import PAGE, EngineApi


class Incidents(EngineApi):
    """Requests for incidents and for the retries of jobs."""

    def incidents(self, *, first: int = 0, limit: int = PAGE) -> list[dict[str, Any]]:
        """Open incidents, oldest first; `first`: how many to skip."""
        found: list[dict[str, Any]] = self.session.get(
            "/incident",
            sortBy="incidentTimestamp",
            sortOrder="asc",
            firstResult=first,
            maxResults=limit,
            **self.tenant.query_of_runtime,
        )
        return found

    def incidents_of(self, instance_id: str) -> list[dict[str, Any]]:
        """Open incidents of one instance."""
        found: list[dict[str, Any]] = self.session.get("/incident", processInstanceId=instance_id)
        return found

    def incident(self, incident_id: str) -> dict[str, Any]:
        """One open incident.

        Raises:
            NotFound: the incident was resolved.
        """
        found: dict[str, Any] = self.session.get(f"/incident/{incident_id}")
        return found

    def set_job_retries(self, job_id: str, retries: int) -> None:
        """Set the retries of a job; the engine then resolves its incident."""
        self.session.request("PUT", f"{self._url}/job/{job_id}/retries", json={"retries": retries})
