"""Run a case of the examples on a whole stack."""

from __future__ import annotations

import uuid
from typing import Any

import requests

from tests.support.api import Answer, Api, eventually
from tests.support.example_outcomes import Case


class ExampleRun:
    """One run of a case, with the messages and timers that it waits for."""

    def __init__(self, api: Api, engine_url: str, case: Case, subject: str) -> None:
        self.case = case
        self.id = f"case-{uuid.uuid4()}"
        self._api, self._engine = api, engine_url
        variables = {**case.variables, case.id_field: subject}
        # A process that waits for a message or a timer does not end by itself, so its start does not wait.
        prefer = {"prefer": "respond-async"} if case.acts else {}
        self.started = api.start(case.process, variables, self.id, **prefer)

    def finish(self) -> dict[str, Any]:
        """Send the messages and fire the timers of the case. Returns the status of the ended process."""
        for kind, name, variables in self.case.acts:
            getattr(self, kind)(name, variables)
        ended: dict[str, Any] = self._api.wait_until_ended(self.id).body
        return ended

    def message(self, name: str, variables: dict[str, Any]) -> Answer:
        """Deliver a message as soon as the process waits for it."""
        body = {"messageName": name, "variables": variables}
        return eventually(
            lambda: (sent := self._api.call("POST", f"/api/process/{self.id}/message", body)).status == 200 and sent,
            what=f"a process that waits for the message {name}",
        )

    def timer(self, activity: str, _: dict[str, Any]) -> None:
        """Fire a timer, as ops do in Cockpit."""
        wanted = {"activityId": activity, "processInstanceId": self.instance, "timers": "true"}
        jobs = eventually(lambda: self._ask("GET", "/job", params=wanted).json(), what=f"the timer {activity}")
        assert self._ask("POST", f"/job/{jobs[0]['id']}/execute").status_code == 204

    @property
    def instance(self) -> str:
        """The id of the process instance."""
        return str(eventually(lambda: self._api.status(self.id).body["processInstanceId"], what="an instance"))

    def events(self) -> list[tuple[str, str, int | None]]:
        """The event log without the acts of ops, once no attempt in it is open."""

        def closed() -> list[tuple[str, str, int | None]] | None:
            log = [event for event in self._api.events(trace) if event["phase"] != "ops"]
            if {"started", "completing"} & {event["phase"] for event in log}:
                return None
            return [(event["stepName"], event["phase"], event["httpStatusCode"]) for event in log]

        trace = self.started.body["traceabilityId"]
        return eventually(closed, what="a log without open attempts")

    def _ask(self, method: str, path: str, **request: Any) -> requests.Response:
        return requests.request(method, self._engine + path, timeout=10, **request)
