"""What is done from a page is what the API does: scopes, audit events, refusals; and nothing where it is read-only."""

from __future__ import annotations

import re
from typing import Any

import pytest
from werkzeug.test import TestResponse

from app.api_keys import new_entry
from store.processes import CANCELLED, OK, PENDING, Ending
from tests.unit.facade import USER, Facade

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


def test_form_that_is_refused_shows_why_and_keeps_what_was_typed(facade: Facade) -> None:
    log_in(facade)

    refused = post(facade, "/new/process/onboard-user", **{**FORM, "v.country": "England", "v.firstName": "Grace"})

    assert refused.status_code == 422
    assert "country" in refused.text
    assert 'value="Grace"' in refused.text
    assert facade.rows() == []


def test_same_id_with_other_variables_is_a_conflict(facade: Facade) -> None:
    log_in(facade)
    start(facade)

    refused = post(facade, "/new/process/onboard-user", correlationId="order-1", **{**FORM, "v.firstName": "Grace"})

    assert refused.status_code == 409


def test_cancel_ends_the_process_and_says_who_did_it(facade: Facade) -> None:
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
def test_what_cannot_be_done_is_said_on_the_page(facade: Facade, action: str, form: dict[str, str], said: str) -> None:
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
def test_reader_is_offered_nothing_and_may_do_nothing(facade: Facade, action: str) -> None:
    log_in(facade)
    start(facade)
    log_in(facade, READ_KEY)

    page = facade.http.get("/monitor/order-1").text
    assert "data-opens" not in page
    assert "/new/process" not in page
    assert post(facade, f"/order-1/{action}", messageName="go").status_code == 403
    assert post(facade, "/new/process/onboard-user", **FORM).status_code == 403
    assert facade.rows()[0].status == PENDING


def test_read_only_changes_nothing_whoever_asks(facade: Facade) -> None:
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


def test_unknown_process_is_said_on_a_page(facade: Facade) -> None:
    log_in(facade)

    for path in ("/monitor/nothing", "/monitor/new/process/nothing"):
        page = facade.http.get(path)
        assert (page.status_code, page.mimetype) == (404, "text/html")


def test_insight_shows_what_was_started(facade: Facade) -> None:
    log_in(facade)
    start(facade)

    page = facade.http.get("/monitor/insight?span=15min")
    data = facade.http.get("/monitor/insight/data?span=24h").get_json()

    assert page.status_code == 200
    assert sum(data["starts"]) == 1
    assert len(data["times"]) == len(data["starts"]) == 48
    assert facade.http.get("/monitor/insight?span=1y").status_code == 422


def test_secrets_are_hidden_on_the_page(facade: Facade) -> None:
    log_in(facade)
    start(facade)
    (row,) = facade.rows()
    facade.runtime.processes.settle(row.id, Ending(OK, result={"password": "hush-hush", "message": "all is well"}))

    page = facade.http.get("/monitor/order-1").text

    assert "hush-hush" not in page
    assert "all is well" in page
