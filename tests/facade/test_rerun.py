"""An ended process is run again as a new one: API, command and monitor, with the real store and broker."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import Result

from app.client.exit_codes import ExitCode
from app.responses.problem import Problem
from app.responses.problem_types import MAINTENANCE, ProblemType
from app.security.api_keys import new_entry
from store.event_rows import OPS, EventRow, NewEvent
from store.models import process_store
from store.personal import PersonalData
from store.process_rows import CANCELLED, ENGINE, ERROR, OK, PENDING, Ending, ProcessRow
from tests.facade.test_client_commands import flask
from tests.support.facade import USER, Facade, problem

__all__ = ["flask"]

WELL = Ending(OK, result={"n": 1})


def ended(facade: Facade, ending: Ending | None = WELL, **headers: str) -> ProcessRow:
    assert facade.start("first", Prefer="respond-async", **headers).status_code == 202
    row = found(facade, "first")
    if ending is not None:
        assert facade.runtime.processes.record_instance(row.id, "pi")
        assert facade.runtime.processes.settle(row.id, ending, process_instance_id="pi")
    return found(facade, "first")


def found(facade: Facade, correlation_id: str) -> ProcessRow:
    row = facade.runtime.processes.by_correlation_id(correlation_id)
    assert row is not None
    return row


def rerun(facade: Facade, body: Any = None, **headers: str) -> dict[str, Any]:
    answer = facade.post("/api/process/first/rerun", body or {}, Prefer="respond-async", **headers)
    assert answer.status_code == 202, answer.text
    document: dict[str, Any] = answer.json or {}
    return document


def events(facade: Facade, correlation_id: str) -> list[EventRow]:
    return facade.runtime.events.by_correlation_id(correlation_id)


def test_rerun_starts_a_new_process_with_the_input_and_the_labels_of_the_first(facade: Facade) -> None:
    first = ended(facade, X_Batch_Id="batch-1", X_Application_Id="portal")

    new = found(facade, rerun(facade, {"correlationId": "second"})["correlationId"])

    assert (new.correlation_id, new.rerun_of, new.status) == ("second", "first", PENDING)
    assert new.variables == first.variables == USER
    assert (new.traceability_id, new.batch_id, new.application_id) == (first.traceability_id, "batch-1", "portal")
    assert found(facade, "first") == first, "the first process stays as it is"


def test_both_processes_name_each_other_and_their_event_logs_say_who_did_it(facade: Facade) -> None:
    ended(facade)
    rerun(facade, {"correlationId": "second"})
    rerun(facade, {"correlationId": "third", "variables": {**USER, "country": "FR"}})

    first = facade.http.get("/api/process/status/first").json or {}
    third = facade.http.get("/api/process/status/third").json or {}

    assert (first["rerunOf"], first["reruns"]) == (None, ["third", "second"])
    assert (third["rerunOf"], third["reruns"]) == ("first", [])
    assert [(event.phase, event.step_name, event.actor, event.metadata) for event in events(facade, "first")] == [
        (OPS, "rerun", "api", {"changed": []}),
        (OPS, "rerun", "api", {"changed": ["country"]}),
    ]
    assert [(event.step_name, event.actor) for event in events(facade, "third")] == [("rerun", "api")]


def test_repeated_call_with_the_same_new_id_joins_the_first_call(facade: Facade) -> None:
    ended(facade)
    rerun(facade, {"correlationId": "second"})

    again = facade.post("/api/process/first/rerun", {}, Prefer="respond-async", Idempotency_Key="second")
    edited = {"correlationId": "second", "variables": {**USER, "country": "FR"}}

    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (202, "true")
    problem(facade.post("/api/process/first/rerun", edited), 409, "correlation-id-conflict")
    problem(facade.start("second"), 409, "correlation-id-conflict")
    assert len(facade.rows()) == 2
    assert len(events(facade, "first")) == 1


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        (None, "the process is pending"),
        (Ending(ERROR, error={"code": "INCIDENT"}, incident_id="i"), "with an open incident"),
        (Ending(CANCELLED, engine_open=True), "has not ended in the engine yet"),
    ],
)
def test_what_has_not_ended_is_refused(facade: Facade, ending: Ending | None, text: str) -> None:
    ended(facade, ending)
    for body in ({}, {"dryRun": True}):
        refused = problem(facade.post("/api/process/first/rerun", body), 409, "still-runs")
        assert text in refused["detail"]
    assert len(facade.rows()) == 1


def test_dry_run_shows_what_would_start_and_starts_nothing(facade: Facade) -> None:
    first = ended(facade)
    body = {"variables": {**USER, "country": "FR"}, "dryRun": True}

    answer = facade.post("/api/process/first/rerun", body)

    assert answer.json == {
        "dryRun": True,
        "wouldStart": {
            "processKey": "onboard-user",
            "correlationId": None,
            "rerunOf": "first",
            "variables": {**USER, "country": "FR"},
            "changed": ["country"],
            "traceabilityId": first.traceability_id,
            "callbackUrl": None,
            "priority": 0,
        },
    }
    assert len(facade.rows()) == 1
    assert events(facade, "first") == []


def test_edited_input_is_checked_by_the_schema_of_the_process(facade: Facade) -> None:
    ended(facade)
    for dry_run in (True, False):
        body = {"variables": {**USER, "email": "nobody"}, "dryRun": dry_run}
        refused = problem(facade.post("/api/process/first/rerun", body), 422, "invalid-fields")
        assert refused["errors"] == {"variables": {"email": ["Not a valid email address."]}}
    assert len(facade.rows()) == 1


def test_stored_input_that_is_not_valid_any_more_asks_for_an_edited_one(
    facade: Facade, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        # as an earlier version of the process accepted it
        patch.setattr("app.starts.start.check_variables", lambda process, variables: None)
        assert facade.start("first", {"userId": "user-1"}, Prefer="respond-async").status_code == 202
    row = found(facade, "first")
    assert facade.runtime.processes.settle(row.id, Ending(ERROR, error={"code": "E"}))

    refused = problem(facade.post("/api/process/first/rerun", {}), 422, "invalid-fields")

    assert "send an edited one" in refused["detail"]
    assert "email" in refused["errors"]["variables"]
    assert rerun(facade, {"variables": USER})["status"] == PENDING


def test_redacted_value_that_was_left_as_shown_stands_for_the_stored_one(
    facade: Facade, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = {"password": "hunter2", "note": "my hunter2", "cards": [{"token": "abcd"}, {"token": "efgh"}], "n": 1}
    monkeypatch.setattr("app.starts.start.check_variables", lambda process, variables: None)
    monkeypatch.setattr("app.operations.rerun.check_variables", lambda process, variables: None)
    assert facade.start("first", stored, Prefer="respond-async").status_code == 202
    assert facade.runtime.processes.settle(found(facade, "first").id, Ending(OK))

    planned = facade.post("/api/process/first/rerun", {"dryRun": True})
    shown = (planned.json or {})["wouldStart"]["variables"]
    assert "hunter2" not in planned.text
    assert "abcd" not in planned.text
    rerun(facade, {"correlationId": "second", "variables": {**shown, "n": 2}})
    assert found(facade, "second").variables == {**stored, "n": 2}

    wrong = {"variables": {**shown, "cards": [*shown["cards"], {"token": "[redacted]"}]}}
    refused = problem(facade.post("/api/process/first/rerun", wrong), 422, "invalid-fields")
    assert refused["errors"]["variables"]["cards"][0].startswith("cards.2.token contains [redacted]")


def test_erased_process_cannot_be_run_again_and_its_reruns_do_not_name_it(facade: Facade) -> None:
    first = ended(facade)
    rerun(facade, {"correlationId": "second"})

    record = NewEvent(traceability_id="erasure:1", phase=OPS, step_name="erase")
    assert PersonalData(facade.runtime.database).erase(first.id, "first", record) is not None

    problem(facade.post("/api/process/first/rerun", {}), 404, "unknown-correlation-id")
    second = facade.http.get("/api/process/status/second").json or {}
    assert second["rerunOf"] is None
    assert all("first" not in json.dumps([event.result, event.metadata]) for event in events(facade, "second"))


def test_command_prints_a_dry_run_and_starts(facade: Facade, flask: Callable[..., Result]) -> None:
    ended(facade)

    planned = flask("rerun", "first", "--dry-run", "--variables", json.dumps({**USER, "country": "FR"}))
    assert (planned.exit_code, json.loads(planned.stdout)["changed"]) == (ExitCode.OK, ["country"])
    assert len(facade.rows()) == 1

    started = flask("rerun", "first", "--new-id", "second", "--wait", "0")
    assert (started.exit_code, started.stdout) == (ExitCode.PENDING, "second: pending\n")
    assert flask("rerun", "second").exit_code == ExitCode.REFUSED
    assert flask("rerun", "nobody").exit_code == ExitCode.NOT_FOUND


def test_monitor_shows_what_would_start_then_starts_it_once(facade: Facade) -> None:
    ended(facade)
    page = facade.http.get("/monitor/first").text
    assert 'data-opens="rerun"' in page
    token = re.search(r'name="csrf" value="([^"]+)"', page)
    assert token is not None
    edited = json.dumps({**USER, "country": "FR"})

    planned = facade.http.post("/monitor/first/rerun", data={"csrf": token[1], "variables": edited})

    assert planned.status_code == 200
    assert "This would start" in planned.text
    assert len(facade.rows()) == 1
    new_id = re.search(r'name="correlationId" value="([^"]+)"', planned.text)
    assert new_id is not None
    form = {"csrf": token[1], "variables": edited, "correlationId": new_id[1], "confirmed": "yes"}
    for _ in range(2):
        started = facade.http.post("/monitor/first/rerun", data=form)
        assert (started.status_code, started.location) == (303, f"/monitor/{new_id[1]}")
    assert found(facade, new_id[1]).variables["country"] == "FR"
    assert len(facade.rows()) == 2
    assert f'href="/monitor/{new_id[1]}"' in facade.http.get("/monitor/first").text
    assert 'href="/monitor/first"' in facade.http.get(f"/monitor/{new_id[1]}").text
    assert facade.http.post("/monitor/first/rerun", data={**form, "csrf": "forged"}).status_code == 403


def test_monitor_shows_a_refused_input_and_offers_no_rerun_of_what_runs(facade: Facade) -> None:
    ended(facade, None)
    page = facade.http.get("/monitor/first").text
    assert 'data-opens="rerun"' not in page
    token = re.search(r'name="csrf" value="([^"]+)"', page)
    assert token is not None
    refused = facade.http.post("/monitor/first/rerun", data={"csrf": token[1], "variables": json.dumps(USER)})
    assert refused.status_code == 409
    assert "The process has not ended" in refused.text


def test_rerun_needs_the_scope_for_repairs(facade: Facade) -> None:
    ended(facade)
    keys = {scope: new_entry(scope.replace(":", "-"), [scope]) for scope in ("process:admin", "process:repair")}
    facade.change(auth="on", api_keys=[entry for _, entry in keys.values()])

    refused = facade.post("/api/process/first/rerun", {"dryRun": True}, X_API_Key=keys["process:admin"][0])
    allowed = facade.post("/api/process/first/rerun", {"dryRun": True}, X_API_Key=keys["process:repair"][0])

    assert problem(refused, 403, "forbidden")["requiredScope"] == "process:repair"
    assert allowed.status_code == 200


def test_monitor_leads_to_a_rerun_that_has_failed_and_shows_a_refusal_that_names_the_new_id(facade: Facade) -> None:
    ended(facade)
    token = re.search(r'name="csrf" value="([^"]+)"', facade.http.get("/monitor/first").text)
    assert token is not None
    form = {"csrf": token[1], "variables": json.dumps(USER), "correlationId": "second", "confirmed": "yes"}
    with pytest.MonkeyPatch.context() as patch:
        # a start that nobody may begin now, which the answer names by its id
        patch.setattr(facade.services.starter, "accept", raising(MAINTENANCE, "second"))
        assert facade.http.post("/monitor/first/rerun", data=form).status_code == MAINTENANCE.status

    assert facade.http.post("/monitor/first/rerun", data=form).status_code == 303
    assert facade.runtime.processes.settle(found(facade, "second").id, Ending(ERROR, error={"code": "E"}))
    again = facade.http.post("/monitor/first/rerun", data=form)
    assert (again.status_code, again.location) == (303, "/monitor/second")


def raising(kind: ProblemType, correlation_id: str) -> Callable[..., None]:
    def refuse(*_: Any) -> None:
        raise Problem(kind, "refused", correlationId=correlation_id)

    return refuse


def test_process_that_others_started_needs_an_input(facade: Facade) -> None:
    first = ended(facade)
    with facade.runtime.database.write() as connection:
        of_first = process_store.c.id == first.id
        connection.execute(sa.update(process_store).where(of_first).values(started_by=ENGINE, variables={}))

    refused = problem(facade.post("/api/process/first/rerun", {}), 422, "invalid-fields")

    assert "others started the process" in refused["errors"]["variables"][0]
    assert rerun(facade, {"variables": USER, "correlationId": "second"})["correlationId"] == "second"
