"""What the engine's history says of instances and their activities."""

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


class History(EngineApi):
    """What the engine's history says of instances and their activities."""

    def calling_activity(self, calling_id: str, called_id: str) -> str | None:
        """The call activity of `calling_id` that started the running instance `called_id`.

        None when history does not know it.
        """
        found = self.session.get(
            "/history/activity-instance", processInstanceId=calling_id, activityType="callActivity", unfinished="true"
        )
        return next((item["activityId"] for item in found if item["calledProcessInstanceId"] == called_id), None)

    def instances_by_business_key(self, key: str, business_key: str) -> list[dict[str, Any]]:
        """Instances of `key` with this business key that history knows, or that run: earliest first."""
        found: list[dict[str, Any]] = self.session.post(
            "/history/process-instance",
            {
                "processInstanceBusinessKey": business_key,
                "processDefinitionKey": key,
                "sorting": [{"sortBy": "startTime", "sortOrder": "asc"}],
            },
        )
        running = self.session.get("/process-instance", businessKey=business_key, processDefinitionKey=key)
        # At history level NONE there is no history, and no time of a start.
        known = {item["id"] for item in found}
        new = [item for item in running if item["id"] not in known]
        return found + [{"id": item["id"], "processDefinitionId": item["definitionId"]} for item in new]

    def historic_instance(self, instance_id: str) -> dict[str, Any] | None:
        """What history knows of an instance; None when it knows nothing (any more)."""
        try:
            found: dict[str, Any] = self.session.get(f"/history/process-instance/{instance_id}")
        except NotFound:
            return None
        return found

    def historic_instances(self, instance_ids: Sequence[str]) -> list[dict[str, Any]]:
        """What history knows of these instances, running or ended; at most PAGE ids a call."""
        found: list[dict[str, Any]] = self.session.post(
            "/history/process-instance", {"processInstanceIds": list(instance_ids)}
        )
        return found

    def finished_after(self, moment: datetime, *, first: int, limit: int = PAGE) -> list[dict[str, Any]]:
        """Root instances that ended at or after `moment`, in the order of their ends."""
        found: list[dict[str, Any]] = self.session.request(
            "POST",
            f"{self._url}/history/process-instance?firstResult={first}&maxResults={limit}",
            json={
                "finishedAfter": format_date(moment),
                "rootProcessInstances": True,
                "sorting": [{"sortBy": "endTime", "sortOrder": "asc"}],
            },
        ).json()
        return found

    def newest_end(self) -> datetime | None:
        """When the root instance ended that ended last, by the engine's clock; None when none has."""
        found = self.session.request(
            "POST",
            f"{self._url}/history/process-instance?maxResults=1",
            json={
                "finished": True,
                "rootProcessInstances": True,
                "sorting": [{"sortBy": "endTime", "sortOrder": "desc"}],
            },
        ).json()
        return parse_date(found[0]["endTime"]) if found else None

    def called_by(self, instance_id: str) -> list[dict[str, Any]]:
        """Historic instances that the call activities of this one started, running ones too."""
        found: list[dict[str, Any]] = self.session.post(
            "/history/process-instance", {"superProcessInstanceId": instance_id}
        )
        return found

    def delete_history(self, instance_id: str) -> bool:
        """Delete what history knows of an ended instance; False when it knows nothing.

        Raises:
            EngineRefused: it runs.
        """
        try:
            self.session.request("DELETE", f"{self._url}/history/process-instance/{instance_id}")
        except NotFound:
            return False
        return True

    def activities(self, instance_id: str) -> list[dict[str, Any]]:
        """The activities that an instance went through, those that run too."""
        found: list[dict[str, Any]] = self.session.get("/history/activity-instance", processInstanceId=instance_id)
        return found

    def newest_activities(self, instance_id: str, *, limit: int) -> list[dict[str, Any]]:
        """The newest of these, each after what led to it."""
        found: list[dict[str, Any]] = self.session.get(
            "/history/activity-instance",
            processInstanceId=instance_id,
            sortBy="occurrence",
            sortOrder="desc",
            maxResults=str(limit),
        )
        return found[::-1]

    def newest_task_places(self, instance_id: str, *, limit: int) -> dict[str, str]:
        """External task id -> activity, of the newest tasks; empty below history level FULL, which alone logs them."""
        found = self.session.get(
            "/history/external-task-log",
            processInstanceId=instance_id,
            creationLog="true",
            sortBy="timestamp",
            sortOrder="desc",
            maxResults=str(limit),
        )
        return {item["externalTaskId"]: item["activityId"] for item in found}
