"""Requests that suspend and activate process instances and definitions.

The engine fetches no task of a suspended instance, runs none of its jobs, and refuses the outcome of a task that was
locked before. A suspended definition starts no instance.
"""

from __future__ import annotations

from typing import Any

from camunda_bridge.engine.base import PAGE, EngineApi
from camunda_bridge.errors import NotFound


class Suspension(EngineApi):
    """Requests that suspend and activate process instances and definitions."""

    def set_suspended(self, instance_id: str, suspended: bool) -> bool:
        """Suspend or activate one instance, without those that it called; False when it isn't running."""
        url = f"{self._url}/process-instance/{instance_id}/suspended"
        try:
            self.session.request("PUT", url, json={"suspended": suspended})
        except NotFound:
            return False
        return True

    def is_suspended(self, instance_id: str) -> bool:
        """True while the instance is suspended.

        Raises:
            NotFound: it isn't running.
        """
        return bool(self.session.get(f"/process-instance/{instance_id}")["suspended"])

    def running_called_by(self, instance_id: str) -> list[str]:
        """The ids of the running instances that an instance called directly."""
        found: list[dict[str, Any]] = []
        while len(page := self._called(instance_id, first=len(found))) == PAGE:
            found += page
        return [item["id"] for item in [*found, *page]]

    def versions(self, key: str) -> list[dict[str, Any]]:
        """All deployed versions of a process, the newest first."""
        found: list[dict[str, Any]] = self.session.get(
            "/process-definition", key=key, sortBy="version", sortOrder="desc", **self.tenant.query
        )
        return found

    def set_definition_suspended(self, definition_id: str, suspended: bool) -> None:
        """Suspend or activate one version of a process and its running instances, in one transaction.

        Raises:
            NotFound: it was deleted.
        """
        body = {"suspended": suspended, "includeProcessInstances": True}
        self.session.request("PUT", f"{self._url}/process-definition/{definition_id}/suspended", json=body)

    def _called(self, instance_id: str, *, first: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.session.get(
            "/process-instance", superProcessInstance=instance_id, firstResult=first, maxResults=PAGE
        )
        return found
