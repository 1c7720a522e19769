"""Processes are found by identifiers, in the API and from the search field of the monitor, while they run."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

import pytest

from store.finding import BEGINNINGS
from store.process_rows import ERROR, Ending
from tests.support.facade import USER, Facade


@pytest.fixture
def two(facade: Facade) -> Facade:
    """The facade with two processes that run."""
    facade.start("order-1", USER, Prefer="respond-async")
    facade.start("order-2", {**USER, "userId": "user-12"}, Prefer="respond-async")
    return facade


def listed(facade: Facade, **query: Any) -> list[str]:
    answer = facade.http.get(f"/api/process/status/all?{urlencode(query)}")
    assert answer.status_code == 200, answer.text
    assert answer.json is not None
    assert answer.json["truncated"] is False
    return [row["correlationId"] for row in answer.json["processes"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"identifier": "userId:user-1"}, ["order-1"]),
        ({"identifier": "userId:user-1*"}, ["order-2", "order-1"]),
        ({"identifier": "userId: user-1 "}, None),
        ({"identifier": "customerId:user-1"}, []),
        ({"q": "user-1"}, ["order-2", "order-1"]),
        ({"q": " user-12 "}, ["order-2"]),
        ({"q": "userId:user-12"}, ["order-2"]),
        ({"q": "order-"}, ["order-2", "order-1"]),
        ({"q": "rder"}, []),
        ({"q": "user-1", "identifier": "userId:user-1"}, ["order-1"]),
        ({"q": "user-1", "status": "error"}, []),
        ({"q": "user-1", "processKey": "onboard-user", "status": "pending"}, ["order-2", "order-1"]),
    ],
)
def test_list_finds_running_processes(two: Facade, query: dict[str, str], found: list[str] | None) -> None:
    if found is None:
        assert two.http.get(f"/api/process/status/all?{urlencode(query)}").status_code == 422
    else:
        assert listed(two, **query) == found


def test_status_shows_the_identifiers_of_a_running_process(two: Facade) -> None:
    answer = two.http.get("/api/process/status/order-1").json

    assert answer is not None
    assert answer["identifiers"] == {"userId": "user-1"}


def test_cursor_continues_a_search(facade: Facade) -> None:
    for number in range(5):
        facade.start(f"order-{number}", USER, Prefer="respond-async")
    found: list[str] = []
    query = {"identifier": "userId:user-1", "limit": "2"}
    while True:
        page = facade.http.get(f"/api/process/status/all?{urlencode(query)}").json
        assert page is not None
        found += [row["correlationId"] for row in page["processes"]]
        if page["nextCursor"] is None:
            break
        query["cursor"] = page["nextCursor"]

    assert found == [f"order-{number}" for number in range(4, -1, -1)]


def test_answer_tells_that_a_search_may_not_have_found_all(two: Facade) -> None:
    with two.runtime.database.write() as connection:
        for number in range(BEGINNINGS):
            connection.exec_driver_sql(
                "INSERT INTO process_identifier VALUES (1, 'customerId', ?)", (f"user-{number:06}",)
            )

    answer = two.http.get("/api/process/status/all?q=user").json

    assert answer is not None
    assert answer["truncated"] is True
    assert "processes may be missing" in two.http.get("/monitor?q=user").text
    assert listed(two, q="user-12") == ["order-2"]


def test_repeated_start_is_found_once(facade: Facade) -> None:
    for _ in range(2):
        facade.start("order-1", USER, Prefer="respond-async")

    assert listed(facade, identifier="userId:user-1") == ["order-1"]


@pytest.mark.parametrize(
    ("text", "page"),
    [("user-12", "/monitor/order-2"), ("order-1", "/monitor/order-1"), ("user", "/monitor?q=user"), (" ", "/monitor")],
)
def test_search_field_leads_to_the_process_or_to_the_list(two: Facade, text: str, page: str) -> None:
    answer = two.http.get("/monitor/list/find", query_string={"q": text})

    assert (answer.status_code, answer.location) == (302, page)


def test_list_of_the_monitor_keeps_the_search(two: Facade) -> None:
    page = two.http.get("/monitor?q=user-1&status=pending").text

    assert 'href="/monitor/order-1"' in page
    assert 'href="/monitor/order-2"' in page
    assert '<input type="hidden" name="q" value="user-1">' in page
    assert "q=user-1" in page
    assert 'href="/monitor/order-1"' not in two.http.get("/monitor?q=user-12").text
    assert "No process matches" in two.http.get("/monitor?q=nobody").text


def test_too_long_text_is_refused_on_a_page(two: Facade) -> None:
    answer = two.http.get("/monitor/list/find", query_string={"q": "x" * 201})

    assert answer.status_code == 422
    assert answer.mimetype == "text/html"


@pytest.mark.parametrize("page", ["/monitor", "/monitor/order-1", "/monitor/insight", "/monitor/new/process"])
def test_search_field_is_on_each_page(two: Facade, page: str) -> None:
    assert 'action="/monitor/list/find"' in two.http.get(page).text


@pytest.fixture
def errors(facade: Facade) -> Facade:
    """The facade with a process that runs, one that has an incident, and one that ended in a business error."""
    incident = {"code": "INCIDENT", "message": "broke", "type": "incident", "step": "charge"}
    endings = {
        "runs": None,
        "stuck": Ending(ERROR, error=incident, incident_id="i"),
        "rejected": Ending(ERROR, error={"code": "NO_CREDIT", "message": "no"}),
    }
    for name, ending in endings.items():
        facade.start(name, USER, Prefer="respond-async", X_Application_Id=f"app-{name}", X_Batch_Id="night")
        row = facade.runtime.processes.by_correlation_id(name)
        assert row is not None
        assert ending is None or facade.runtime.processes.settle(row.id, ending)
    return facade


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"status": "pending,error"}, ["rejected", "stuck", "runs"]),
        ({"status": "error", "incident": "true"}, ["stuck"]),
        ({"status": "error", "incident": "false"}, ["rejected"]),
        ({"applicationId": "app-runs"}, ["runs"]),
        ({"batchId": "night", "status": "ok,error"}, ["rejected", "stuck"]),
        ({"errorCode": "NO_CREDIT"}, ["rejected"]),
        ({"failedStep": "charge", "q": "user-1"}, ["stuck"]),
    ],
)
def test_list_is_filtered_and_counted(errors: Facade, query: dict[str, str], found: list[str]) -> None:
    assert listed(errors, **query) == found
    answer = errors.http.get(f"/api/process/status/all?{urlencode({**query, 'count': 'true', 'limit': 1})}").json
    assert answer is not None
    assert answer["count"] == len(found)
    address = query if "," not in query.get("status", "") else {}
    page = errors.http.get(f"/monitor?{urlencode(address)}").text
    assert all(f'href="/monitor/{name}"' in page for name in found)
    assert not address or page.count("<tr data-key=") == len(found)


def test_counters_lead_to_incidents_and_to_business_errors(errors: Facade) -> None:
    page = errors.http.get("/monitor?status=error&processKey=onboard-user").text

    assert 'href="/monitor?processKey=onboard-user&amp;incident=true"' in page
    assert 'href="/monitor?processKey=onboard-user&amp;status=error&amp;incident=false"' in page
    (shown,) = re.findall(r'aria-current="true">(\w+) <b>2</b>', page)
    assert shown == "error"


def test_further_filters_are_shown_when_they_are_used(errors: Facade) -> None:
    assert "<details ><summary>More filters" in errors.http.get("/monitor").text
    page = errors.http.get("/monitor?errorCode=NO_CREDIT").text
    assert "<details open><summary>More filters" in page
    assert 'name="errorCode" maxlength="200" value="NO_CREDIT"' in page
