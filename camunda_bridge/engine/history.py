"""Requests for the engine's history of instances and their activities."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from camunda_bridge.engine.base import PAGE, EngineApi
from camunda_bridge.errors import NotFound
from camunda_bridge.variables import format_date, parse_date


class History(EngineApi):
    """Requests for the engine's history of instances and their activities."""

    def calling_activity(self, calling_id: str, called_id: str) -> str | None:
        """The call activity of `calling_id` that started the running instance `called_id`.

        None when it isn't in the history.
        """
        found = self.session.get(
            "/history/activity-instance", processInstanceId=calling_id, activityType="callActivity", unfinished="true"
        )
        return next((item["activityId"] for item in found if item["calledProcessInstanceId"] == called_id), None)

    def instances_by_business_key(self, key: str, business_key: str) -> list[dict[str, Any]]:
        """Instances of `key` with this business key, ended or running, in the order of their starts."""
        found: list[dict[str, Any]] = self.session.post(
            "/history/process-instance",
            {
                "processInstanceBusinessKey": business_key,
                "processDefinitionKey": key,
                **self.tenant.filter,
                "sorting": [{"sortBy": "startTime", "sortOrder": "asc"}],
            },
        )
        running = self.session.get(
            "/process-instance", businessKey=business_key, processDefinitionKey=key, **self.tenant.query
        )
        # At history level NONE there is no history, and a running instance has no start time.
        known = {item["id"] for item in found}
        new = [item for item in running if item["id"] not in known]
        return found + [{"id": item["id"], "processDefinitionId": item["definitionId"]} for item in new]

    def historic_instance(self, instance_id: str) -> dict[str, Any] | None:
        """The history of an instance; None when there is none, or it was cleaned up."""
        try:
            found: dict[str, Any] = self.session.get(f"/history/process-instance/{instance_id}")
        except NotFound:
            return None
        return found

    def historic_instances(self, instance_ids: Sequence[str]) -> list[dict[str, Any]]:
        """The history of these instances, running or ended. Pass at most PAGE ids."""
        found: list[dict[str, Any]] = self.session.post(
            "/history/process-instance", {"processInstanceIds": list(instance_ids)}
        )
        return found

    def finished_after(self, moment: datetime, *, first: int, limit: int = PAGE) -> list[dict[str, Any]]:
        """Root instances that ended at or after `moment`, in the order of their ends; `first`: how many to skip."""
        found: list[dict[str, Any]] = self.session.request(
            "POST",
            f"{self._url}/history/process-instance?firstResult={first}&maxResults={limit}",
            json={
                "finishedAfter": format_date(moment),
                "rootProcessInstances": True,
                **self.tenant.filter,
                "sorting": [{"sortBy": "endTime", "sortOrder": "asc"}],
            },
        ).json()
        return found

    def newest_end(self) -> datetime | None:
        """When the last root instance ended, by the engine's clock; None when none has ended."""
        found = self.session.request(
            "POST",
            f"{self._url}/history/process-instance?maxResults=1",
            json={
                "finished": True,
                "rootProcessInstances": True,
                **self.tenant.filter,
                "sorting": [{"sortBy": "endTime", "sortOrder": "desc"}],
            },
        ).json()
        return parse_date(found[0]["endTime"]) if found else None

    def called_by(self, instance_id: str) -> list[dict[str, Any]]:
        """The history of the instances, running or ended, that the call activities of this instance started."""
        found: list[dict[str, Any]] = self.session.post(
            "/history/process-instance", {"superProcessInstanceId": instance_id}
        )
        return found

    def delete_history(self, instance_id: str) -> bool:
        """Delete the history of an ended instance; False when there is none.

        Raises:
            EngineRefused: the instance is running.
        """
        try:
            self.session.request("DELETE", f"{self._url}/history/process-instance/{instance_id}")
        except NotFound:
            return False
        return True

    def activities(self, instance_id: str) -> list[dict[str, Any]]:
        """The history of the activities of an instance, running or ended."""
        found: list[dict[str, Any]] = self.session.get("/history/activity-instance", processInstanceId=instance_id)
        return found

    def newest_activities(self, instance_id: str, *, limit: int) -> list[dict[str, Any]]:
        """The `limit` newest activities of an instance, oldest first."""
        found: list[dict[str, Any]] = self.session.get(
            "/history/activity-instance",
            processInstanceId=instance_id,
            sortBy="occurrence",
            sortOrder="desc",
            maxResults=str(limit),
        )
        return found[::-1]

    def newest_task_places(self, instance_id: str, *, limit: int) -> dict[str, str]:
        """External task id -> activity id, for the newest tasks; empty below history level FULL, which logs tasks."""
        found = self.session.get(
            "/history/external-task-log",
            processInstanceId=instance_id,
            creationLog="true",
            sortBy="timestamp",
            sortOrder="desc",
            maxResults=str(limit),
        )
        return {item["externalTaskId"]: item["activityId"] for item in found}
