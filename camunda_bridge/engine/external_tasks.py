"""Requests for external tasks: fetch and lock, report the outcome, read the log.

`token` is the lock token: the workerId of the fetch that locked the task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pycamunda.base
import pycamunda.externaltask

from camunda_bridge.engine.base import PAGE, EngineApi
from camunda_bridge.engine.locked_task import LockedTask, Topic
from camunda_bridge.errors import EngineRefused, LockLost, NotFound
from camunda_bridge.variables import MAX_STRING, Typed

#: how long an unlocked task stays locked, in milliseconds
UNLOCK_MS = 1
_OLDEST_FIRST = {"sortBy": "createTime", "sortOrder": "asc"}


class _FetchAndLock(pycamunda.externaltask.FetchAndLock):
    """pycamunda's request, extended by what Camunda 7.24 offers: topic filters, sorting, all fields of the answer."""

    sorting = pycamunda.externaltask.BodyParameter("sorting")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return (
            super(pycamunda.externaltask.FetchAndLock, self)
            .__call__(pycamunda.base.RequestMethod.POST, *args, **kwargs)
            .json()
        )


class ExternalTasks(EngineApi):
    """Requests for external tasks: fetch and lock, report the outcome, read the log."""

    def fetch_and_lock(
        self,
        topics: Sequence[Topic],
        *,
        token: str,
        lock_duration_ms: int,
        max_tasks: int,
        business_key: str | None = None,
    ) -> list[LockedTask]:
        """Lock ready external tasks, by `camunda:taskPriority`, then the oldest first; doesn't wait for new ones.

        Args:
            lock_duration_ms: duration of the locks, in milliseconds.
            business_key: fetches only tasks of instances with this business key; None for all instances.
        """
        request = _FetchAndLock(self._url, worker_id=token, max_tasks=max_tasks, use_priority=True)
        request.session = self.session
        request.sorting = [_OLDEST_FIRST]
        for topic in topics:
            entry: dict[str, Any] = {
                "topicName": topic.name,
                "lockDuration": lock_duration_ms,
                "deserializeValues": False,
                **self.tenant.filter,
            }
            if topic.variables is not None:
                entry["variables"] = list(topic.variables)
            if topic.process_keys is not None:
                entry["processDefinitionKeyIn"] = list(topic.process_keys)
            if business_key is not None:
                entry["businessKey"] = business_key
            request.topics.append(entry)
        return [LockedTask.load(entry) for entry in request()]

    def lock_ready(
        self, instance_id: str, topics: Sequence[Topic], *, token: str, lock_duration_ms: int, max_tasks: int
    ) -> list[LockedTask]:
        """Lock ready tasks of one process instance, without those of called instances.

        It lists the tasks of the instance in the order of :meth:`fetch_and_lock`, locks each, and reads the variables.
        These are more requests, but their cost doesn't grow with the number of tasks that other instances have in the
        same topics. Use it only for a flat process (:attr:`Diagram.is_flat`), because the tasks get the variables of
        the process instance.
        """
        wanted = {topic.name: topic.variables for topic in topics}
        keys = {topic.name: topic.process_keys for topic in topics}
        ready = self.session.post(
            f"/external-task?maxResults={PAGE}",
            {
                "processInstanceId": instance_id,
                "active": True,
                "notLocked": True,
                "withRetriesLeft": True,
                "sorting": [{"sortBy": "taskPriority", "sortOrder": "desc"}, _OLDEST_FIRST],
            },
        )
        locked: list[dict[str, Any]] = []
        for task in ready:
            if (
                task["topicName"] in wanted
                and task["processDefinitionKey"] in (keys[task["topicName"]] or (task["processDefinitionKey"],))
                and len(locked) < max_tasks
                and self._try_lock(task["id"], token, lock_duration_ms)
            ):
                locked.append(task)
        if not locked:
            return []
        values = self.session.get(f"/process-instance/{instance_id}/variables", deserializeValues="false")
        found = []
        for task in locked:
            names = wanted[task["topicName"]]
            seen = values if names is None else {name: values[name] for name in names if name in values}
            found.append(LockedTask.load({**task, "variables": seen}))
        return found

    def _try_lock(self, task_id: str, token: str, duration_ms: int) -> bool:
        try:
            self._lock(task_id, token, duration_ms)
        except (LockLost, NotFound):
            # another worker locked the task first, or it has ended
            return False
        return True

    def complete(self, task_id: str, token: str, variables: Mapping[str, Typed], *, local: bool = False) -> None:
        """Complete a task.

        `local`: the variables belong to the task's own activity, where its output mappings see them.

        Raises:
            LockLost: another token holds the task, or it no longer exists.
        """
        request = pycamunda.externaltask.Complete(self._url, id_=task_id, worker_id=token)
        if local:
            request.local_variables = dict(variables)
        else:
            request.variables = dict(variables)
        self._about_lock(request)

    def bpmn_error(self, task_id: str, token: str, code: str, message: str, variables: Mapping[str, Typed]) -> None:
        """End a task with a BPMN error.

        Raises:
            LockLost: another token holds the task, or it no longer exists.
        """
        # A boundary event may store the message in a String variable, whose column holds 4,000 UTF-16 code units. With
        # a longer message the engine answers 500 every time.
        request = pycamunda.externaltask.HandleBPMNError(self._url, task_id, token, code, message[: MAX_STRING // 2])
        request.variables = dict(variables)
        self._about_lock(request)

    def failure(
        self, task_id: str, token: str, message: str, details: str, *, retries: int, retry_timeout_ms: int
    ) -> None:
        """Report that an attempt failed; with 0 retries the engine opens an incident.

        Args:
            details: the stack trace.
            retries: how many retries are left.
            retry_timeout_ms: the pause before the next attempt, in milliseconds.

        Raises:
            LockLost: another token holds the task, or it no longer exists.
        """
        # The engine stores 666 characters of the message and accepts longer ones.
        request = pycamunda.externaltask.HandleFailure(
            self._url, task_id, token, message[:600], details, retries, retry_timeout_ms
        )
        self._about_lock(request)

    def extend_lock(self, task_id: str, token: str, duration_ms: int) -> None:
        """Extend the lock of a task: it then lasts `duration_ms` milliseconds from now.

        Raises:
            LockLost: another token holds the task, or it no longer exists.
        """
        try:
            self._about_lock(pycamunda.externaltask.ExtendLock(self._url, task_id, duration_ms, token))
        except EngineRefused as error:
            # An expired lock can't be extended, but the same token may lock the task again if no other token did.
            if "expired" not in str(error):
                raise
            self._lock(task_id, token, duration_ms)

    def _lock(self, task_id: str, token: str, duration_ms: int) -> None:
        try:
            body = {"workerId": token, "lockDuration": duration_ms}
            self.session.request("POST", f"{self._url}/external-task/{task_id}/lock", json=body)
        except EngineRefused as error:
            raise LockLost(str(error)) from error

    def unlock(self, task_id: str, token: str) -> bool:
        """Unlock a task if it still carries our token; False when it doesn't.

        It extends the lock by one millisecond, because the engine then compares the token in the same transaction. The
        engine's own unlock request doesn't compare the token.
        """
        try:
            self._about_lock(pycamunda.externaltask.ExtendLock(self._url, task_id, UNLOCK_MS, token))
        except LockLost:
            return False
        except EngineRefused as error:
            # The lock has expired already.
            if "expired" not in str(error):
                raise
        return True

    def external_task(self, task_id: str) -> dict[str, Any] | None:
        """A task that has not ended; None when it no longer exists."""
        try:
            found: dict[str, Any] = self.session.get(f"/external-task/{task_id}")
        except NotFound:
            return None
        return found

    def task_log(self, task_id: str) -> list[dict[str, Any]]:
        """The history log of one task: creation, failures, success and deletion, each with the token at that time."""
        found: list[dict[str, Any]] = self.session.get("/history/external-task-log", externalTaskId=task_id)
        return found

    def instance_task_log(self, instance_id: str) -> list[dict[str, Any]]:
        """The history log of the ends of all tasks of one instance: successes and deletions."""
        found: list[dict[str, Any]] = []
        for kind in ("successLog", "deletionLog"):
            found += self.session.get("/history/external-task-log", processInstanceId=instance_id, **{kind: "true"})
        return found

    def waiting_topics(self) -> list[str]:
        """Topics of all tenants that have a task without a lock and with retries left."""
        # The engine has no filter for tenants here.
        found: list[str] = self.session.get(
            "/external-task/topic-names", withUnlockedTasks="true", withRetriesLeft="true"
        )
        return found

    def waiting_tasks(self, topic: str) -> list[dict[str, Any]]:
        """At most PAGE tasks of a topic without a lock and with retries left."""
        found = self.session.get(
            "/external-task",
            topicName=topic,
            notLocked="true",
            withRetriesLeft="true",
            maxResults=PAGE,
            **self.tenant.query_of_runtime,
        )
        return [task for task in found if task["tenantId"] == self.tenant.id]

    def set_task_retries(self, task_id: str, retries: int) -> None:
        """Set the retries of an external task; the engine then resolves its incident."""
        self.session.request("PUT", f"{self._url}/external-task/{task_id}/retries", json={"retries": retries})

    def _about_lock(self, request: Any) -> None:
        request.session = self.session
        try:
            request()
        except NotFound as error:
            raise LockLost(str(error)) from error
        except EngineRefused as error:
            # The engine answers a suspended instance with the same status and type; only the message differs.
            if error.status == 400 and "locked by worker" in str(error):
                raise LockLost(str(error)) from error
            raise
