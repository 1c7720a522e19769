"""Process instances that run: start, delete, call, correlate."""

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


class Started(NamedTuple):
    """An instance of a process, and the definition, one version of it, that it runs by."""

    id: str
    definition_id: str


class Instances(EngineApi):
    """Process instances that run: start, delete, call, correlate."""

    def start(self, key: str, business_key: str, variables: Mapping[str, Typed]) -> Started:
        """Start an instance of the newest version of `key`.

        Raises:
            NotFound: no such definition is deployed.
        """
        request = pycamunda.processdef.StartInstance(self._url, key=key, business_key=business_key)
        request.session = self.session
        request.variables = dict(variables)
        instance: pycamunda.processinst.ProcessInstance = request()
        return Started(instance.id_, instance.definition_id)

    def delete_instance(self, instance_id: str, reason: str) -> bool:
        """Delete an instance with its children; False when it does not run.

        Listeners and I/O mappings of the diagram are skipped: one that fails would keep the instance for ever.
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
        """Those of these instances that run; at most PAGE ids a call. `filters`: of the engine's, `withIncident`."""
        body = {"processInstanceIds": list(instance_ids), **filters}
        return {item["id"] for item in self.session.post("/process-instance", body)}

    def without_incident(self, instance_ids: Sequence[str]) -> set[str]:
        """Those of these instances that run and have no open incident; at most PAGE ids a call."""

        # In this order: an incident that is resolved in between is found in the next look.
        return self.running_instances(instance_ids) - self.running_instances(instance_ids, withIncident=True)

    def calling_instance(self, instance_id: str) -> dict[str, Any] | None:
        """The running instance whose call activity started this one; None when it is a root."""
        found: list[dict[str, Any]] = self.session.get("/process-instance", subProcessInstance=instance_id)
        return found[0] if found else None

    def activity_tree(self, instance_id: str) -> dict[str, Any]:
        """The activity instances that an instance is in, each with its children.

        Raises:
            NotFound: it does not run.
        """
        found: dict[str, Any] = self.session.get(f"/process-instance/{instance_id}/activity-instances")
        return found

    def correlate(self, message: str, *, instance_id: str, variables: Mapping[str, Typed]) -> bool:
        """Deliver a message to an instance; False when nothing in it waits for one."""
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
