"""A thin client of the engine's REST API over raw HTTP, so that a test sees the engine's own answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, TypeVar
from uuid import uuid4

import requests

#: seconds that one call may take
TIMEOUT_S: Final = 15.0
#: seconds that a test waits for the engine's own work (its job executor)
PATIENCE_S: Final = 20.0

Found = TypeVar("Found")


class Engine:
    """The engine at one URL, and a process key that no other test uses.

    The methods assert the status of a success; tests make wrong calls with `call` and `refused`.
    """

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url.rstrip("/")
        self.key = f"contract-{uuid4().hex[:12]}"
        self._deployments: list[str] = []
        self._session = requests.Session()

    def call(self, method: str, path: str, **request: Any) -> requests.Response:
        """Make any call; `json`, `data`, `params`, `files`, `headers` are those of the library requests."""
        return self._session.request(method, self.base_url + path, timeout=TIMEOUT_S, **request)

    def refused(self, method: str, path: str, **request: Any) -> tuple[int, str, str]:
        """Make a call that the engine refuses. Returns status, type and message."""
        answer = self.call(method, path, **request)
        body = answer.json()
        assert {"type", "message", "code"} <= set(body), f"{answer.status_code} {body}"
        return answer.status_code, body["type"], body["message"]

    def get(self, path: str, **params: Any) -> Any:
        """GET `path`. Returns the JSON of the 200."""
        return _body(self.call("GET", path, params=params), 200)

    def post(self, path: str, status: int = 200, **json: Any) -> Any:
        """POST to `path`, which answers `status`. Returns the JSON, None without a body."""
        return _body(self.call("POST", path, json=json), status)

    def put(self, path: str, **json: Any) -> None:
        """PUT to `path`, which answers 204."""
        _body(self.call("PUT", path, json=json), 204)

    def deploy(self, *files: str, **fields: str) -> Any:
        """Deploy BPMN texts as one deployment; `fields` are form fields, with `_` instead of `-` in their names."""
        form = {"deployment-name": self.key, **{name.replace("_", "-"): value for name, value in fields.items()}}
        parts = {f"file-{n}": (f"{self.key}-{n}.bpmn", text.encode()) for n, text in enumerate(files)}
        deployment = _body(self.call("POST", "/deployment/create", data=form, files=parts), 200)
        self._deployments.append(deployment["id"])
        return deployment

    def start(self, business_key: str | None = None, key: str | None = None, **variables: Any) -> str:
        """Start an instance with plain values as variables. Returns its id."""
        body = {"businessKey": business_key, "variables": untyped(variables)}
        started = self.call("POST", f"/process-definition/key/{key or self.key}/start", json=body)
        return str(_body(started, 200)["id"])

    def fetch(
        self,
        *tasks: str,
        key: str | None = None,
        worker: str = "w1",
        lock_ms: int = 60_000,
        most: int = 10,
        **more: Any,
    ) -> Any:
        """Lock tasks of the topics `<key>.<task>`; `more` are further fields of each topic."""
        topics = [{"topicName": f"{key or self.key}.{task}", "lockDuration": lock_ms, **more} for task in tasks]
        return self.post("/external-task/fetchAndLock", workerId=worker, maxTasks=most, topics=topics)

    def fetch_one(self, task: str, **arguments: Any) -> Any:
        """Wait for a task of the topic of `task`, and lock it."""
        return eventually(lambda: self.fetch(task, most=1, **arguments), f"a task in {task}")[0]

    def task(self, task: Any) -> Any:
        """The present state of an external task."""
        return self.get(f"/external-task/{task['id']}")

    def complete(self, task: Any, worker: str = "w1", **variables: Any) -> None:
        """Complete an external task with plain values as variables."""
        self.post(f"/external-task/{task['id']}/complete", 204, workerId=worker, variables=untyped(variables))

    def fail(self, task: Any, retries: int, retry_ms: int = 0, worker: str = "w1", message: str = "no luck") -> None:
        """Report the failure of an external task."""
        body = {"retries": retries, "retryTimeout": retry_ms, "errorMessage": message, "errorDetails": "a stack trace"}
        self.post(f"/external-task/{task['id']}/failure", 204, workerId=worker, **body)

    def bpmn_error(self, task: Any, code: str, worker: str = "w1", **more: Any) -> None:
        """Report a BPMN error; `more` are `errorMessage` and typed `variables`."""
        self.post(f"/external-task/{task['id']}/bpmnError", 204, workerId=worker, errorCode=code, **more)

    def history(self, instance: str) -> Any:
        """The history of an instance."""
        return self.get(f"/history/process-instance/{instance}")

    def activities(self, instance: str) -> dict[str, str]:
        """Activity id -> activity type of the activities that the instance passed, from history."""
        passed = self.get("/history/activity-instance", processInstanceId=instance)
        return {activity["activityId"]: activity["activityType"] for activity in passed}

    def close(self) -> None:
        """Delete the deployments, with their instances, jobs and history."""
        for deployment in dict.fromkeys(self._deployments):
            self.call("DELETE", f"/deployment/{deployment}", params={"cascade": "true"})
        self._session.close()


def untyped(values: dict[str, Any]) -> dict[str, Any]:
    """Plain values in the engine's form, without types: the engine derives the type from the JSON value."""
    return {name: {"value": value} for name, value in values.items()}


def eventually(look: Callable[[], Found], what: str) -> Found:
    """Call `look` until it returns something, and return that: the engine's own jobs run at any time."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := look()):
        assert time.monotonic() < deadline, f"did not happen within {PATIENCE_S:.0f} s: {what}"
        time.sleep(0.02)
    return found


def _body(answer: requests.Response, status: int) -> Any:
    assert answer.status_code == status, f"{answer.status_code} {answer.text[:2000]}"
    return answer.json() if answer.content else None
