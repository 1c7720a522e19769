"""Actions on the monitor's pages are like calls of the API: scopes, events, refusals; a read-only monitor has none."""

from __future__ import annotations

import math
import re
import uuid
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from werkzeug.test import TestResponse

from app.monitor.show import span
from app.security.api_keys import new_entry
from camunda_bridge.definition import ProcessDefinition
from store.event_rows import FAILED, OPS, NewEvent
from store.maintenance import REFUSE
from store.models import process_store
from store.process_rows import CANCELLED, ERROR, OK, PENDING, Ending
from tasks.processes import registry
from tests.support.facade import USER, Facade

ALL_KEY, ALL_ENTRY = new_entry("ops-ada", ["process:read", "process:admin", "process:start"])
READ_KEY, READ_ENTRY = new_entry("reader", ["process:read"])
FORM = {f"v.{name}": value for name, value in USER.items()}


@pytest.fixture(autouse=True)
def _with_keys(facade: Facade) -> None:
    facade.change(auth="on", api_keys=[ALL_ENTRY, READ_ENTRY])


def log_in(facade: Facade, key: str = ALL_KEY) -> None:
    assert facade.http.post("/monitor/session/login", data={"key": key}).status_code == 303


def post(facade: Facade, path: str, **form: Any) -> TestResponse:
    page = facade.http.get("/monitor").text
    token = re.search(r'name="csrf" value="([^"]+)"', page)
    assert token is not None
    return facade.http.post(f"/monitor{path}", data={"csrf": token[1], **form})


def start(facade: Facade) -> str:
    started = post(facade, "/new/process/onboard-user", correlationId="order-1", **FORM)
    assert (started.status_code, started.location) == (303, "/monitor/order-1")
    return "order-1"


def test_form_starts_a_process_and_leads_to_its_page(facade: Facade) -> None:
    log_in(facade)
    start(facade)

    (row,) = facade.rows()
    assert (row.correlation_id, row.variables) == ("order-1", USER)
    assert "order-1" in facade.http.get("/monitor/order-1").text


@pytest.mark.parametrize("typed", ["{not json", "[1]"])
def test_form_of_a_process_without_a_schema_shows_errors_in_its_json(
    facade: Facade, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    definition = ProcessDefinition("no-schema", Path("no-schema.bpmn"))
    monkeypatch.setitem(registry.processes, definition.key, definition)
    log_in(facade)

    refused = post(facade, "/new/process/no-schema", **{"v.": typed})

    assert refused.status_code == 422
    assert "Must be" in refused.text
    assert typed in refused.text
    assert facade.rows() == []
    assert post(facade, "/new/process/no-schema", **{"v.": '{"n": 1}'}).status_code == 303
    assert facade.rows()[0].variables == {"n": 1}


def test_refused_form_shows_the_reason_and_keeps_its_values(facade: Facade) -> None:
    log_in(facade)

    refused = post(facade, "/new/process/onboard-user", **{**FORM, "v.country": "England", "v.firstName": "Grace"})

    assert refused.status_code == 422
    assert 'value="Grace"' in refused.text
    fault = re.search(r'<p class="fault" id="v.country-fault">([^<]+)</p>', refused.text)
    assert fault is not None
    field = re.search(r'<(?:input|select)[^>]*name="v.country"[^>]*>', refused.text)
    assert field is not None
    assert 'aria-invalid="true"' in field[0]
    assert "v.country-fault" in field[0]
    assert facade.rows() == []


def test_start_that_is_refused_by_maintenance_is_shown_in_its_form(facade: Facade) -> None:
    log_in(facade)
    facade.runtime.maintenance.begin(
        "the warehouse moves", REFUSE, None, NewEvent("maintenance", "on", OPS, actor="ada")
    )

    page = post(facade, "/new/process/onboard-user", correlationId="order-1", **FORM)

    assert page.status_code == 503
    assert facade.rows() == []
    assert "the warehouse moves; the start was not accepted" in page.text


@pytest.mark.parametrize("action", ["suspend", "resume"])
def test_process_without_an_instance_cannot_be_suspended(facade: Facade, action: str) -> None:
    log_in(facade)
    start(facade)

    refused = post(facade, f"/order-1/{action}", reason="disputed")

    assert refused.status_code == 409
    assert "no instance in the engine yet" in refused.text


def test_form_begins_with_a_new_correlation_id_and_shows_errors_in_one(facade: Facade) -> None:
    log_in(facade)
    ids = [
        re.search(
            r'name="correlationId"[^>]*value="([^"]+)"', facade.http.get("/monitor/new/process/onboard-user").text
        )
        for _ in range(2)
    ]
    assert ids[0] is not None
    assert ids[1] is not None
    assert uuid.UUID(ids[0][1]) != uuid.UUID(ids[1][1])

    refused = post(facade, "/new/process/onboard-user", correlationId="no id", **FORM)

    assert refused.status_code == 422
    assert 'id="correlationId-fault"' in refused.text
    assert 'value="no id"' in refused.text


def test_same_id_with_other_variables_is_a_conflict(facade: Facade) -> None:
    log_in(facade)
    start(facade)

    refused = post(facade, "/new/process/onboard-user", correlationId="order-1", **{**FORM, "v.firstName": "Grace"})

    assert refused.status_code == 409


def test_cancel_ends_the_process_and_records_the_actor(facade: Facade) -> None:
    log_in(facade)
    start(facade)

    done = post(facade, "/order-1/cancel", reason="asked for by phone")

    assert (done.status_code, done.location) == (303, "/monitor/order-1")
    (row,) = facade.rows()
    assert row.status == CANCELLED
    (event,) = facade.runtime.events.by_correlation_id("order-1")
    assert (event.phase, event.step_name, event.actor) == ("ops", "cancel", "ops-ada")
    assert "asked for by phone" in facade.http.get("/monitor/order-1").text


@pytest.mark.parametrize(
    ("action", "form", "said"),
    [
        ("retry", {}, "NO_INCIDENT"),
        ("cancel", {"reason": "late"}, "ended"),
        ("message", {"messageName": "go", "variables": "{"}, "variables"),
        ("message", {"messageName": "", "variables": "{}"}, "messageName"),
        ("message", {"messageName": "go", "variables": "{}"}, "ended"),
    ],
)
def test_refused_action_is_shown_on_the_page(facade: Facade, action: str, form: dict[str, str], said: str) -> None:
    log_in(facade)
    start(facade)
    (row,) = facade.rows()
    facade.runtime.processes.settle(row.id, Ending(OK, result={}))

    refused = post(facade, f"/order-1/{action}", **form)

    assert refused.status_code in (409, 422)
    assert 'role="alert"' in refused.text
    if said != "NO_INCIDENT":
        assert said in refused.text
    assert facade.rows()[0].status == OK


@pytest.mark.parametrize("action", ["retry", "cancel", "message"])
def test_caller_without_scopes_sees_no_actions_and_may_do_none(facade: Facade, action: str) -> None:
    log_in(facade)
    start(facade)
    log_in(facade, READ_KEY)

    page = facade.http.get("/monitor/order-1").text
    assert "data-opens" not in page
    assert "/new/process" not in page
    assert post(facade, f"/order-1/{action}", messageName="go").status_code == 403
    assert post(facade, "/new/process/onboard-user", **FORM).status_code == 403
    assert facade.rows()[0].status == PENDING


def test_read_only_monitor_changes_nothing_for_any_caller(facade: Facade) -> None:
    log_in(facade)
    start(facade)
    facade.change(monitor="read-only")
    log_in(facade)

    page = facade.http.get("/monitor/order-1").text
    assert "data-opens" not in page
    assert "read only" in page
    for action in ("retry", "cancel", "message"):
        assert post(facade, f"/order-1/{action}", messageName="go").status_code == 403
    assert facade.http.get("/monitor/new/process").status_code == 403
    assert facade.rows()[0].status == PENDING


def test_action_without_the_sessions_token_does_nothing(facade: Facade) -> None:
    log_in(facade)
    start(facade)

    assert facade.http.post("/monitor/order-1/cancel", data={"reason": "forged"}).status_code == 403
    assert facade.rows()[0].status == PENDING


def test_hostile_text_stays_text_on_the_page_of_a_process(facade: Facade) -> None:
    hostile = "</pre><script>alert(1)</script>"
    log_in(facade)
    start(facade)
    post(facade, "/order-1/cancel", reason=hostile)

    page = facade.http.get("/monitor/order-1").text

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_unknown_process_is_shown_on_a_page(facade: Facade) -> None:
    log_in(facade)

    for path in ("/monitor/nothing", "/monitor/new/process/nothing"):
        page = facade.http.get(path)
        assert (page.status_code, page.mimetype) == (404, "text/html")


def test_insight_shows_what_was_started(facade: Facade) -> None:
    log_in(facade)
    start(facade)
    # so long is no request held
    facade.change(sync_timeout_ms=600_000)
    log_in(facade)

    page = facade.http.get("/monitor/insight?span=15min")
    data = facade.http.get("/monitor/insight/data?span=24h").get_json()

    assert page.status_code == 200
    assert sum(data["starts"]) == 1
    assert len(data["times"]) == len(data["starts"]) == 48
    assert (sum(data["inTime"]), sum(data["late"]), sum(data["undecided"])) == (0, 0, 1)
    assert data["answersAreEstimates"] is True
    assert facade.http.get("/monitor/insight?span=1y").status_code == 422


def test_percentile_beyond_every_bound_is_shown_as_more() -> None:
    assert span(math.inf) == "> 1 h"
    assert span(3_599.0) == "59 min 59 s"


def test_secrets_are_hidden_on_the_page(facade: Facade) -> None:
    log_in(facade)
    start(facade)
    (row,) = facade.rows()
    facade.runtime.processes.settle(row.id, Ending(OK, result={"password": "hush-hush", "message": "all is well"}))

    page = facade.http.get("/monitor/order-1").text

    assert "hush-hush" not in page
    assert "all is well" in page


def test_secrets_are_hidden_in_texts_too(facade: Facade) -> None:
    variables = {**USER, "password": "hush-hush", "note": "it is hush-hush, apiKey=also-hidden"}
    log_in(facade)
    start(facade)
    (row,) = facade.rows()
    error = {"code": "E", "message": "hush-hush is wrong"}
    with facade.runtime.database.write() as connection:
        connection.execute(sa.update(process_store).values(variables=variables, status=ERROR, error=error))

    failed = NewEvent(
        row.traceability_id,
        "run-background-check",
        FAILED,
        correlation_id="order-1",
        external_task_id="task-1",
        lock_token="lock-1",
        result="the partner refuses hush-hush",
    )
    facade.runtime.events.record(failed)
    trail = facade.http.get("/monitor/order-1/trail").get_json()

    page = facade.http.get("/monitor/order-1").text
    list_page = facade.http.get("/monitor").text

    assert row.correlation_id in page
    assert "it is [redacted]" in page
    assert "[redacted] is wrong" in page
    for secret in ("hush-hush", "also-hidden"):
        assert secret not in page
    assert "also-hidden" not in list_page
    assert {element["message"] for element in trail["elements"].values()} == {"the partner refuses [redacted]"}


def test_state_is_small_and_an_event_is_shown_when_it_is_opened(facade: Facade) -> None:
    log_in(facade)
    start(facade)
    (row,) = facade.rows()
    event = NewEvent(
        row.traceability_id,
        "verify",
        correlation_id="order-1",
        external_task_id="task-1",
        lock_token="lock-1",
        business_action_request={"sent": "x" * 50_000},
        error_details="Traceback: boom",
        endpoint="https://partner.example/verify",
    )
    facade.runtime.events.record(event)
    (found,) = facade.runtime.events.by_correlation_id("order-1")

    state = facade.http.get("/monitor/order-1/state", headers={"X-Requested-With": "monitor"})
    opened = facade.http.get(f"/monitor/order-1/event/{found.execution_id}", headers={"X-Requested-With": "monitor"})

    assert f'data-key="{found.execution_id}"' in state.text
    assert len(state.text) < 10_000
    assert "Traceback" not in state.text
    for said in ("x" * 50_000, "Traceback: boom", "https://partner.example/verify", "flask process replay"):
        assert said in opened.text


def test_traceback_of_an_incident_is_on_its_page_redacted(facade: Facade) -> None:
    log_in(facade)
    start(facade)
    with facade.runtime.database.write() as connection:
        connection.execute(sa.update(process_store).values(variables={**USER, "password": "hush-hush"}))
    (row,) = facade.rows()
    for number in (1, 2):
        facade.runtime.events.record(
            NewEvent(
                row.traceability_id,
                "verify",
                FAILED,
                correlation_id="order-1",
                external_task_id="task-1",
                lock_token=f"lock-{number}",
                error_details=f'File "steps.py", line {number}, in verify: hush-hush',
            )
        )
    assert "line 2, in verify" not in facade.http.get("/monitor/order-1").text
    assert facade.runtime.processes.record_instance(row.id, "pi")
    incident = Ending(ERROR, error={"message": "boom", "step": "verify"}, incident_id="i")
    assert facade.runtime.processes.settle(row.id, incident)

    page = facade.http.get("/monitor/order-1").text

    assert "line 2, in verify: [redacted]" in page
    assert "line 1, in verify" not in page


def test_event_of_another_process_is_not_shown(facade: Facade) -> None:
    log_in(facade)
    start(facade)
    facade.runtime.events.record(NewEvent("trace-2", "verify", correlation_id="order-2"))
    (other,) = facade.runtime.events.by_correlation_id("order-2")

    for key in (other.execution_id, "0" * 32, "x"):
        assert facade.http.get(f"/monitor/order-1/event/{key}").status_code == 404
