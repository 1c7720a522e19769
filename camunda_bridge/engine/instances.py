"""Requests for running process instances: start, delete, list, correlate a message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

import pycamunda.processdef
import pycamunda.processinst

from camunda_bridge.engine.base import EngineApi
from camunda_bridge.errors import EngineRefused, NotFound
from camunda_bridge.variables import Typed


class Started(NamedTuple):
    """The id of a started instance, and the id of the definition (one version of the process) that it runs."""

    id: str
    definition_id: str


class Instances(EngineApi):
    """Requests for running process instances: start, delete, list, correlate a message."""

    def start(self, key: str, business_key: str, variables: Mapping[str, Typed]) -> Started:
        """Start an instance of the newest version of `key`.

        Raises:
            NotFound: no process `key` is deployed.
        """
        tenant_id = None if self.tenant.id is None else quote(self.tenant.id, safe="")
        request = pycamunda.processdef.StartInstance(self._url, key=key, tenant_id=tenant_id, business_key=business_key)
        request.session = self.session
        request.variables = dict(variables)
        instance: pycamunda.processinst.ProcessInstance = request()
        return Started(instance.id_, instance.definition_id)

    def running_count(self, key: str) -> int:
        """How many instances of `key` run, of all versions."""
        found = self.session.get("/process-instance/count", processDefinitionKey=key, **self.tenant.query)
        return int(found["count"])

    def delete_instance(self, instance_id: str, reason: str) -> bool:
        """Delete an instance and the instances that it called; False when it isn't running.

        The engine skips listeners and I/O mappings of the diagram, because one that fails would prevent the deletion.
        """
        skipped = {"skipCustomListeners": "true", "skipIoMappings": "true"}
        try:
            self.session.request("DELETE", f"{self._url}/process-instance/{instance_id}", params=skipped)
        except NotFound:
            return False
        return True

    def is_running(self, instance_id: str) -> bool:
        """True while the instance has not ended."""
        request = pycamunda.processinst.Get(self._url, instance_id)
        request.session = self.session
        try:
            request()
        except NotFound:
            return False
        return True

    def running_instances(self, instance_ids: Sequence[str], **filters: bool) -> set[str]:
        """The ids of those instances that are running. Pass at most PAGE ids. `filters`: such as `withIncident`."""
        body = {"processInstanceIds": list(instance_ids), **filters}
        return {item["id"] for item in self.session.post("/process-instance", body)}

    def definitions_of(self, instance_ids: Sequence[str]) -> dict[str, str]:
        """The id of the definition of each of those instances that are running. Pass at most PAGE ids."""
        body = {"processInstanceIds": list(instance_ids)}
        return {item["id"]: item["definitionId"] for item in self.session.post("/process-instance", body)}

    def without_incident(self, instance_ids: Sequence[str]) -> set[str]:
        """The ids of those instances that are running and have no open incident. Pass at most PAGE ids."""
        # In this order, because an instance whose incident is resolved in between is found by the next call.
        return self.running_instances(instance_ids) - self.running_instances(instance_ids, withIncident=True)

    def calling_instance(self, instance_id: str) -> dict[str, Any] | None:
        """The running instance whose call activity started this one; None for a root instance."""
        found: list[dict[str, Any]] = self.session.get("/process-instance", subProcessInstance=instance_id)
        return found[0] if found else None

    def activity_tree(self, instance_id: str) -> dict[str, Any]:
        """The tree of the activity instances in which an instance currently is.

        Raises:
            NotFound: the instance isn't running.
        """
        found: dict[str, Any] = self.session.get(f"/process-instance/{instance_id}/activity-instances")
        return found

    def correlate(self, message: str, *, instance_id: str, variables: Mapping[str, Typed]) -> bool:
        """Correlate a message to an instance; False when nothing in the instance waits for this message."""
        try:
            self.session.post(
                "/message",
                {"messageName": message, "processInstanceId": instance_id, "processVariables": dict(variables)},
            )
        except EngineRefused as error:
            if error.status == 400 and "MismatchingMessageCorrelationException" in f"{error.type} {error}":
                return False
            raise
        return True
