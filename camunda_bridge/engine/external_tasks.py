"""External tasks: fetch and lock, report the outcome, read the log. `token` is the lock token: the workerId of the fetch that locked the task."""

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
from camunda_bridge.engine.locked_task import LockedTask, Topic


#: for how long a task that is unlocked stays locked, in milliseconds
UNLOCK_MS = 1


class _FetchAndLock(pycamunda.externaltask.FetchAndLock):
    """pycamunda's request with what 7.24 knows beyond it: topic filters, order, and the fields of the answer."""

    sorting = pycamunda.externaltask.BodyParameter("sorting")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return (
            super(pycamunda.externaltask.FetchAndLock, self)
            .__call__(pycamunda.base.RequestMethod.POST, *args, **kwargs)
            .json()
        )


class ExternalTasks(EngineApi):
    """External tasks: fetch and lock, report the outcome, read the log."""

    def fetch_and_lock(
        self,
        topics: Sequence[Topic],
        *,
        token: str,
        lock_duration_ms: int,
        max_tasks: int,
        business_key: str | None = None,
    ) -> list[LockedTask]:
        """Lock external tasks that are ready, oldest first; never waits for one to come.

        `business_key` restricts the fetch to one process.
        """
        request = _FetchAndLock(self._url, worker_id=token, max_tasks=max_tasks)
        request.session = self.session
        request.sorting = [{"sortBy": "createTime", "sortOrder": "asc"}]
        for topic in topics:
            entry: dict[str, Any] = {
                "topicName": topic.name,
                "lockDuration": lock_duration_ms,
                "deserializeValues": False,
            }
            if topic.variables is not None:
                entry["variables"] = list(topic.variables)
            if business_key is not None:
                entry["businessKey"] = business_key
            request.topics.append(entry)
        return [LockedTask.load(entry) for entry in request()]

    def lock_ready(
        self, instance_id: str, topics: Sequence[Topic], *, token: str, lock_duration_ms: int, max_tasks: int
    ) -> list[LockedTask]:
        """The same for one process instance, without its called ones: list its tasks, lock each, read its variables.

        Three calls where :meth:`fetch_and_lock` makes one, but their cost does not grow with the tasks that other
        instances have in the same topics. Only for a flat process (:attr:`Bpmn.is_flat`): the variables are those of
        the process instance.
        """
        wanted = {topic.name: topic.variables for topic in topics}
        ready = self.session.get(
            "/external-task",
            processInstanceId=instance_id,
            active="true",
            notLocked="true",
            withRetriesLeft="true",
            maxResults=PAGE,
        )
        locked: list[dict[str, Any]] = []
        for task in ready:
            if (
                task["topicName"] in wanted
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
            # somebody else was quicker
            return False
        return True

    def complete(self, task_id: str, token: str, variables: Mapping[str, Typed]) -> None:
        """Complete a task.

        Raises:
            LockLost: another token holds the task, or it is gone.
        """
        request = pycamunda.externaltask.Complete(self._url, id_=task_id, worker_id=token)
        request.variables = dict(variables)
        self._about_lock(request)

    def bpmn_error(self, task_id: str, token: str, code: str, message: str, variables: Mapping[str, Typed]) -> None:
        """End a task with a BPMN error.

        Raises:
            LockLost: another token holds the task, or it is gone.
        """
        # A boundary event may keep the message as a String variable, whose column holds 4,000 UTF-16 code units; with a
        # longer one the engine answers 500, each time.
        request = pycamunda.externaltask.HandleBPMNError(self._url, task_id, token, code, message[: MAX_STRING // 2])
        request.variables = dict(variables)
        self._about_lock(request)

    def failure(
        self, task_id: str, token: str, message: str, details: str, *, retries: int, retry_timeout_ms: int
    ) -> None:
        """Report that an attempt failed; with 0 retries the engine makes an incident.

        Raises:
            LockLost: another token holds the task, or it is gone.
        """
        # The engine keeps 666 characters of the message and refuses none.
        request = pycamunda.externaltask.HandleFailure(
            self._url, task_id, token, message[:600], details, retries, retry_timeout_ms
        )
        self._about_lock(request)

    def extend_lock(self, task_id: str, token: str, duration_ms: int) -> None:
        """Lock a task anew for `duration_ms` from now.

        Raises:
            LockLost: another token holds the task, or it is gone.
        """
        try:
            self._about_lock(pycamunda.externaltask.ExtendLock(self._url, task_id, duration_ms, token))
        except EngineRefused as error:
            # A lock that ran out cannot be extended, but the same token may lock the task anew if nobody took it.
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
        """Give a task back, if it still carries our token; False when it does not.

        A lock that lasts one millisecond more: the engine compares the token in the same transaction, which the call
        that is named unlock does not.
        """
        try:
            self._about_lock(pycamunda.externaltask.ExtendLock(self._url, task_id, UNLOCK_MS, token))
        except LockLost:
            return False
        except EngineRefused as error:
            # It has run out already.
            if "expired" not in str(error):
                raise
        return True

    def external_task(self, task_id: str) -> dict[str, Any] | None:
        """A task that has not ended; None when it is gone."""
        try:
            found: dict[str, Any] = self.session.get(f"/external-task/{task_id}")
        except NotFound:
            return None
        return found

    def task_log(self, task_id: str) -> list[dict[str, Any]]:
        """History's log of one task: creation, failures, success, deletion, each with the token it was done under."""
        found: list[dict[str, Any]] = self.session.get("/history/external-task-log", externalTaskId=task_id)
        return found

    def instance_task_log(self, instance_id: str) -> list[dict[str, Any]]:
        """History's log of how the tasks of one instance ended."""
        found: list[dict[str, Any]] = []
        for kind in ("successLog", "deletionLog"):
            found += self.session.get("/history/external-task-log", processInstanceId=instance_id, **{kind: "true"})
        return found

    def set_task_retries(self, task_id: str, retries: int) -> None:
        """Give an external task new retries; its incident goes away."""
        self.session.request("PUT", f"{self._url}/external-task/{task_id}/retries", json={"retries": retries})

    def _about_lock(self, request: Any) -> None:
        request.session = self.session
        try:
            request()
        except NotFound as error:
            raise LockLost(str(error)) from error
        except EngineRefused as error:
            # The same status and type say that the instance is suspended: only the words tell.
            if error.status == 400 and "locked by worker" in str(error):
                raise LockLost(str(error)) from error
            raise
