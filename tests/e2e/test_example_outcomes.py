"""The three examples on the whole stack: their outcomes agree with one table, on Camunda and on Operaton.

`make test` runs these tests on Camunda, `make test-operaton` on Operaton.
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
from tests.support.api import Api, eventually
from tests.support.example_outcomes import APPROVED_BY_OFFICER, CASES, LOAN, Case
from tests.support.example_runs import ExampleRun
from tests.support.scripted_server import ScriptedServer

#: the first number of the engine's version -> the engine
MAKERS = {"7": "camunda", "1": "operaton"}


@pytest.fixture
def begin(api: Api, engine_url: str) -> Callable[[Case, str], ExampleRun]:
    """Start a case."""
    return lambda case, subject: ExampleRun(api, engine_url, case, subject)


def filled(template: Any, subject: str) -> Any:
    """The template with `{id}` replaced in all texts."""
    if isinstance(template, dict):
        return {name: filled(value, subject) for name, value in template.items()}
    return template.replace("{id}", subject) if isinstance(template, str) else template


def in_groups(case: Case, events: list[Any]) -> list[Any]:
    """The events, grouped where the case has events that run at the same time."""
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
    api: Api, stack: Stack, begin: Callable[[Case, str], ExampleRun], case: Case
) -> None:
    subject = f"{case.nature}-{uuid.uuid4()}"
    run = begin(case, subject)
    ended = run.finish()

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


def test_slow_loan_is_answered_202_and_a_webhook_reports_its_end(
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
