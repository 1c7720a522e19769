"""The three examples through the whole stack, held to one table of outcomes: on Camunda and, unchanged, on Operaton.

`make test` runs it on the one, `make test-operaton` on the other.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from dev.local_settings import LocalSettings
from dev.stack import Stack
from tests.e2e.example_outcomes import APPROVED_BY_OFFICER, CASES, LOAN, Case
from tests.support.api import Answer, Api, eventually
from tests.unit.scripted_server import ScriptedServer

#: the first number of a version tells who made the engine
MAKERS = {"7": "camunda", "1": "operaton"}


class Running:
    """One run of a case, and what it may be told while it waits."""

    def __init__(self, api: Api, engine_url: str, case: Case, subject: str) -> None:
        self.case = case
        self.id = f"case-{uuid.uuid4()}"
        self._api, self._engine = api, engine_url
        variables = {**case.variables, case.id_field: subject}
        # Who has to be told something before the end cannot be waited for.
        prefer = {"prefer": "respond-async"} if case.acts else {}
        self.started = api.start(case.process, variables, self.id, **prefer)

    def message(self, name: str, variables: dict[str, Any]) -> Answer:
        """Deliver a message once the process waits for it."""
        body = {"messageName": name, "variables": variables}
        return eventually(
            lambda: (sent := self._api.call("POST", f"/api/process/{self.id}/message", body)).status == 200 and sent,
            what=f"a process that waits for the message {name}",
        )

    def timer(self, activity: str, _: dict[str, Any]) -> None:
        """Let a timer go off, as ops would in Cockpit."""
        wanted = {"activityId": activity, "processInstanceId": self.instance, "timers": "true"}
        jobs = eventually(lambda: self._ask("GET", "/job", params=wanted).json(), what=f"the timer {activity}")
        assert self._ask("POST", f"/job/{jobs[0]['id']}/execute").status_code == 204

    @property
    def instance(self) -> str:
        """Id of the process instance."""
        return str(eventually(lambda: self._api.status(self.id).body["processInstanceId"], what="an instance"))

    def events(self) -> list[tuple[str, str, int | None]]:
        """The event log, but for what ops did, once nothing in it is open."""

        def closed() -> list[tuple[str, str, int | None]] | None:
            log = [event for event in self._api.events(trace) if event["phase"] != "ops"]
            if {"started", "completing"} & {event["phase"] for event in log}:
                return None
            return [(event["stepName"], event["phase"], event["httpStatusCode"]) for event in log]

        trace = self.started.body["traceabilityId"]
        return eventually(closed, what="a log without open attempts")

    def _ask(self, method: str, path: str, **request: Any) -> requests.Response:
        return requests.request(method, self._engine + path, timeout=10, **request)


@pytest.fixture
def begin(api: Api, engine_url: str) -> Callable[[Case, str], Running]:
    """Starts a case."""
    return lambda case, subject: Running(api, engine_url, case, subject)


def filled(template: Any, subject: str) -> Any:
    """The template with `{id}` replaced in every text."""
    if isinstance(template, dict):
        return {name: filled(value, subject) for name, value in template.items()}
    return template.replace("{id}", subject) if isinstance(template, str) else template


def in_groups(case: Case, events: list[Any]) -> list[Any]:
    """The events, put together where the case says that some run at the same time."""
    found, rest = [], list(events)
    for expected in case.events:
        size = len(expected) if isinstance(expected, frozenset) else 1
        taken, rest = rest[:size], rest[size:]
        found.append(frozenset(taken) if isinstance(expected, frozenset) else taken[0] if taken else None)
    return [*found, *rest]


def test_engine_is_the_one_that_was_asked_for(engine_url: str) -> None:
    version = requests.get(f"{engine_url}/version", timeout=10).json()["version"]
    named = any(os.environ.get(name) for name in ("CAMUNDA_TEST_URL", "CAMUNDA_BASE_URL"))
    asked_for = set(MAKERS.values()) if named else {LocalSettings.load(os.environ).engine}
    assert MAKERS[version.partition(".")[0]] in asked_for


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_every_engine_comes_to_the_same_outcome(
    api: Api, stack: Stack, begin: Callable[[Case, str], Running], case: Case
) -> None:
    subject = f"{case.nature}-{uuid.uuid4()}"
    run = begin(case, subject)
    for kind, name, variables in case.acts:
        getattr(run, kind)(name, variables)

    ended = api.wait_until_ended(run.id).body

    assert ended["status"] == case.status, ended
    document = ended["data"] if case.status == "ok" else ended["error"]
    assert document == filled(case.document, subject)
    if case.acts:
        assert run.started.status == 202
    else:
        assert run.started.status == (200 if case.status == "ok" else 422)
        assert run.started.body["result" if case.status == "ok" else "error"] == document
    assert in_groups(case, run.events()) == list(case.events)
    partner = f"{stack.environment.get('PARTNER_BASE_URL')}/effects"
    effects = requests.get(partner, params={case.id_field: subject}, timeout=10).json()["effects"]
    assert sorted(effect["endpoint"] for effect in effects) == case.effects
    assert all(effect["idempotencyKey"] for effect in effects)


@pytest.fixture
def receiver() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    yield server
    server.close()


def test_loan_that_takes_its_time_is_answered_202_and_its_end_told_by_webhook(
    api: Api, receiver: ScriptedServer, correlation_id: str
) -> None:
    loan = {**LOAN, "loanId": f"fair-{uuid.uuid4()}"}
    body = {
        "processKey": "loan-approval",
        "correlationId": correlation_id,
        "variables": loan,
        "callbackUrl": f"{receiver.url}/ended",
    }
    started = api.call("POST", "/api/process/start", body, {"Prefer": "wait=1"})
    assert (started.status, started.body["status"]) == (202, "pending"), started.body
    assert started.headers["location"] == f"/api/process/status/{correlation_id}"
    assert receiver.seen == []

    decision = {"messageName": "loan-decision", "variables": {"verdict": {"approved": True, "officer": "grace"}}}
    eventually(lambda: api.call("POST", f"/api/process/{correlation_id}/message", decision).status == 200)

    seen = eventually(lambda: receiver.seen, what="the webhook")[0]
    told = json.loads(seen.body)["data"]
    assert (told["correlationId"], told["status"]) == (correlation_id, "ok")
    assert told["data"] == filled(APPROVED_BY_OFFICER.document, loan["loanId"])
