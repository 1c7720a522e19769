"""The engine's REST API, as far as this project uses it: pycamunda's requests over one lean, timed-out session.

pycamunda 0.6.1 knows no history, no jobs, no incidents by business key, no topic filters beyond variables, and its
`deployment.Create` ignores the session; those calls are made on the session directly. The facts that the methods rely
on are pinned by tests/contract on the real engine.
"""

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

from camunda_bridge.errors import EngineRefused, LockLost, NotFound, VariableError
from camunda_bridge.session import EngineSession, authorization_header
from camunda_bridge.variables import MAX_STRING, Typed, format_date, in_one_form, parse_date
from settings import Settings

#: for how long a task that is given back stays locked, in milliseconds
UNLOCK_MS = 1
#: most entries asked of a history query in one call
PAGE = 500


@dataclass(frozen=True, slots=True)
class Topic:
    """What to fetch: a topic, and the variables that its step reads (None for all)."""

    name: str
    variables: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class LockedTask:
    """An external task that is locked for us; `variables` typed as the engine sent them."""

    id: str
    topic: str
    activity_id: str
    process_definition_id: str
    process_definition_key: str
    process_instance_id: str
    business_key: str | None
    retries: int | None
    variables: dict[str, Typed]

    @classmethod
    def load(cls, data: Mapping[str, Any]) -> LockedTask:
        """From one entry of fetchAndLock's answer."""
        return cls(
            id=data["id"],
            topic=data["topicName"],
            activity_id=data["activityId"],
            process_definition_id=data["processDefinitionId"],
            process_definition_key=data["processDefinitionKey"],
            process_instance_id=data["processInstanceId"],
            business_key=data.get("businessKey"),
            retries=data.get("retries"),
            variables=data["variables"],
        )


class Started(NamedTuple):
    """An instance of a process, and the definition, one version of it, that it runs by."""

    id: str
    definition_id: str


class _FetchAndLock(pycamunda.externaltask.FetchAndLock):
    """pycamunda's request with what 7.24 knows beyond it: topic filters, order, and the fields of the answer."""

    sorting = pycamunda.externaltask.BodyParameter("sorting")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return (
            super(pycamunda.externaltask.FetchAndLock, self)
            .__call__(pycamunda.base.RequestMethod.POST, *args, **kwargs)
            .json()
        )


class Engine:
    """One engine.

    Every method raises :class:`EngineUnavailable` when the engine does not answer, and :class:`Unauthorized` when it
    refuses the login. `token` is the lock token: the workerId of the fetch that locked the task.
    """

    def __init__(self, session: EngineSession) -> None:
        self.session = session
        self._url = session.base_url

    @classmethod
    def from_settings(cls, settings: Settings) -> Engine:
        """The engine that `settings` name."""
        return cls(
            EngineSession(
                settings.camunda_base_url,
                timeout_ms=settings.camunda_timeout_ms,
                connect_timeout_ms=settings.camunda_connect_timeout_ms,
                authorization=authorization_header(
                    settings.camunda_auth,
                    username=settings.camunda_username,
                    password=settings.camunda_password,
                    token=settings.camunda_token,
                ),
            )
        )

    def version(self) -> str:
        """The engine's version, for example ``7.24.0``."""
        return str(self.session.get("/version")["version"])

    # -- definitions

    def deploy(self, name: str, files: Mapping[str, bytes]) -> list[str]:
        """Deploy `files` unless the newest deployment of this name is the same; ids of what is new."""
        form: dict[str, Any] = {
            "deployment-name": name,
            "deployment-source": "celery-camunda",
            "enable-duplicate-filtering": "true",
            "deploy-changed-only": "true",
            **{file: (file, content) for file, content in files.items()},
        }
        answer = self.session.request("POST", f"{self._url}/deployment/create", files=form).json()
        return list(answer.get("deployedProcessDefinitions") or {})

    def definition_xml(self, definition_id: str) -> str:
        """The BPMN of a deployed definition."""
        return str(self.session.get(f"/process-definition/{definition_id}/xml")["bpmn20Xml"])

    # -- instances

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

    def calling_instance(self, instance_id: str) -> dict[str, Any] | None:
        """The running instance whose call activity started this one; None when it is a root."""
        found: list[dict[str, Any]] = self.session.get("/process-instance", subProcessInstance=instance_id)
        return found[0] if found else None

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

    def running_variable(self, instance_id: str, name: str) -> Typed | None:
        """A variable of a running instance, typed; None when there is none, or the instance has ended."""
        path = f"/process-instance/{instance_id}/variables/{name}"
        try:
            found: Typed = self.session.get(path, deserializeValue="false")
        except NotFound:
            return None
        return found

    def historic_variables(self, instance_id: str) -> dict[str, Typed]:
        """The last values of an instance's own variables, typed."""
        found = self.session.get("/history/variable-instance", processInstanceId=instance_id, deserializeValues="false")
        own = [item for item in found if item.get("activityInstanceId") == instance_id]
        return {item["name"]: self._with_content(item) for item in own}

    def _with_content(self, item: dict[str, Any]) -> Typed:
        """A historic variable, typed; with what the list leaves out: bytes, and Java objects as JSON."""
        value, info = item["value"], item["valueInfo"]
        path = f"/history/variable-instance/{item['id']}"
        try:
            if item["type"] == "Bytes" and value is None:
                value = base64.b64encode(self.session.download(f"{path}/data")).decode()
            elif (info or {}).get("serializationDataFormat") == "application/x-java-serialized-object":
                value = self._as_json(path)
        except (NotFound, VariableError):
            # Cleaned up since the list was made; or the engine has no JSON for it, and its serialised form stays.
            pass
        return {"type": item["type"], "value": value, "valueInfo": info}

    # -- single variables of running instances

    def variables_named(self, instance_id: str, name: str) -> list[dict[str, Any]]:
        """The variables of this name in every scope of an instance; `activityInstanceId` names the scope."""
        found: list[dict[str, Any]] = self.session.get(
            "/variable-instance", processInstanceIdIn=instance_id, variableName=name, deserializeValues="false"
        )
        return found

    def variable_data(self, variable_id: str) -> bytes:
        """The content of a file or of bytes.

        Raises:
            NotFound: there is no such variable.
        """
        return self.session.download(f"/variable-instance/{variable_id}/data")

    def variable_as_json(self, variable_id: str) -> Any:
        """An object as JSON, which the engine makes of it.

        Raises:
            NotFound: there is no such variable.
            VariableError: the engine cannot; says why.
        """
        return self._as_json(f"/variable-instance/{variable_id}")

    def _as_json(self, path: str) -> Any:
        # What Java's JSON writer has no form for is refused with 400: with its words as plain text, or without any in
        # a document, as it comes. Which of the two differs from one start of the same engine to the next.
        response = self.session.request(
            "GET", self._url + path, takes=lambda it: it.status_code == 400 and not it.body.lstrip().startswith(b"<")
        )
        if response.status_code == 400:
            raise VariableError(f"its JSON writer refuses it: {response.text[:300]}")
        found = response.json()
        if found.get("errorMessage"):
            raise VariableError(str(found["errorMessage"])[:300])
        return in_one_form(found["value"])

    def activity_tree(self, instance_id: str) -> dict[str, Any]:
        """The activity instances that an instance is in, each with its children.

        Raises:
            NotFound: it does not run.
        """
        found: dict[str, Any] = self.session.get(f"/process-instance/{instance_id}/activity-instances")
        return found

    # -- external tasks

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

    # -- incidents, retries, messages

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

    def without_incident(self, instance_ids: Sequence[str]) -> set[str]:
        """Those of these instances that run and have no open incident; at most PAGE ids a call."""

        # In this order: an incident that is resolved in between is found in the next look.
        return self.running_instances(instance_ids) - self.running_instances(instance_ids, withIncident=True)

    def incident(self, incident_id: str) -> dict[str, Any]:
        """One open incident.

        Raises:
            NotFound: it was resolved.
        """
        found: dict[str, Any] = self.session.get(f"/incident/{incident_id}")
        return found

    def set_task_retries(self, task_id: str, retries: int) -> None:
        """Give an external task new retries; its incident goes away."""
        self.session.request("PUT", f"{self._url}/external-task/{task_id}/retries", json={"retries": retries})

    def set_job_retries(self, job_id: str, retries: int) -> None:
        """Give a job new retries; its incident goes away."""
        self.session.request("PUT", f"{self._url}/job/{job_id}/retries", json={"retries": retries})

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
