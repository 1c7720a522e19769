"""Requests for what a running instance waits for: messages, timers and jobs, persons, workers."""

from __future__ import annotations

from typing import Any

from camunda_bridge.engine.base import PAGE, EngineApi
from camunda_bridge.errors import NotFound


class Waits(EngineApi):
    """Requests for what a running instance waits for; each returns at most PAGE entries."""

    def unfinished_activities(self, instance_id: str) -> list[dict[str, Any]]:
        """The history of the activities in which an instance is; empty at history level NONE."""
        return self._list("/history/activity-instance", instance_id, unfinished="true")

    def event_subscriptions(self, instance_id: str) -> list[dict[str, Any]]:
        """The messages, signals and conditions that an instance waits for, with the ids of the catching events."""
        return self._list("/event-subscription", instance_id)

    def jobs(self, instance_id: str) -> list[dict[str, Any]]:
        """The timers and asynchronous continuations of an instance."""
        return self._list("/job", instance_id)

    def job_elements(self, definition_id: str) -> dict[str, tuple[str, str]]:
        """Job definition id -> element id and type of the job, such as `timer-transition`."""
        found = self.session.get("/job-definition", processDefinitionId=definition_id)
        return {item["id"]: (item["activityId"], item["jobType"]) for item in found}

    def user_tasks(self, instance_id: str) -> list[dict[str, Any]]:
        """The tasks of an instance that wait for a person."""
        return self._list("/task", instance_id)

    def candidates(self, task_id: str) -> tuple[list[str], list[str]]:
        """Users and groups who may claim a user task; empty when the task has ended."""
        try:
            links = self.session.get(f"/task/{task_id}/identity-links", type="candidate")
        except NotFound:
            return [], []
        users = sorted(link["userId"] for link in links if link["userId"])
        return users, sorted(link["groupId"] for link in links if link["groupId"])

    def external_tasks_of(self, instance_id: str) -> list[dict[str, Any]]:
        """The external tasks of an instance that have not ended."""
        return self._list("/external-task", instance_id)

    def variable_names(self, instance_id: str) -> set[str]:
        """The names of the variables of an instance."""
        return set(self.session.get(f"/process-instance/{instance_id}/variables", deserializeValues="false"))

    def _list(self, path: str, instance_id: str, **filters: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.session.get(
            path, processInstanceId=instance_id, maxResults=str(PAGE), **filters
        )
        return found
