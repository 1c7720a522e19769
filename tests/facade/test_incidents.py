"""Open incidents in groups: API, command and monitor, with the real store; without an engine, so without versions."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from app.operations import ending
from store.process_rows import ERROR, OK, Ending, ProcessRow
from tests.facade.test_client_commands import flask
from tests.support.facade import Facade, problem

__all__ = ["flask"]

PATH = "/api/process/incidents"


def stuck(facade: Facade, correlation_id: str, message: str, step: str = "charge") -> None:
    assert facade.start(correlation_id, Prefer="respond-async").status_code == 202
    row = facade.runtime.processes.by_correlation_id(correlation_id)
    assert row is not None
    assert facade.runtime.processes.record_instance(row.id, f"pi-{correlation_id}")
    error = {"code": "INCIDENT", "type": "incident", "message": message, "step": step}
    assert facade.runtime.processes.settle(row.id, Ending(ERROR, error=error, incident_id=f"i-{correlation_id}"))


@pytest.fixture
def incidents(facade: Facade) -> Facade:
    """Four incidents in three groups, a business error, and a process that runs."""
    stuck(facade, "a-1", "PartnerError: order 4711 was answered with 503")
    stuck(facade, "a-2", "PartnerError: order 4712 was answered with 503")
    stuck(facade, "b-1", "PartnerError: order 4713 was answered with 503", step="ship")
    stuck(facade, "c-1", "KeyError: 'price'")
    facade.start("runs", Prefer="respond-async")
    facade.start("rejected", Prefer="respond-async")
    row = facade.runtime.processes.by_correlation_id("rejected")
    assert row is not None
    assert facade.runtime.processes.settle(row.id, Ending(ERROR, error={"code": "NO", "message": "no"}))
    return facade


@pytest.fixture
def retried(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Correlation id and variables of each retry; tests/e2e/test_incidents.py retries in the engine."""
    found: list[tuple[str, Any]] = []

    def note(row: ProcessRow, *, actor: str, variables: Any) -> bool:
        found.append((row.correlation_id, variables))
        return True

    monkeypatch.setattr(ending, "retry_incidents", note)
    return found


def groups(facade: Facade, query: str = "") -> list[dict[str, Any]]:
    answer = facade.http.get(f"{PATH}{query}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = (answer.json or {})["groups"]
    return found


def group_of(facade: Facade, correlation_id: str) -> str:
    (group,) = [group for group in groups(facade) if correlation_id in group["correlationIds"]]
    return str(group["id"])


def test_incidents_with_the_same_cause_are_one_group_whatever_ids_their_messages_name(incidents: Facade) -> None:
    found = groups(incidents)

    assert [(group["step"], group["errorType"], group["message"], group["count"]) for group in found] == [
        ("charge", "PartnerError", "order … was answered with …", 2),
        ("charge", "KeyError", "'price'", 1),
        ("ship", "PartnerError", "order … was answered with …", 1),
    ]
    largest = found[0]
    assert largest["correlationIds"] == ["a-2", "a-1"]
    assert largest["example"] == "PartnerError: order 4712 was answered with 503"
    assert largest["first"] <= largest["last"]
    assert len({group["id"] for group in found}) == 3


def test_groups_are_narrowed_by_process_and_step(incidents: Facade) -> None:
    assert [group["correlationIds"] for group in groups(incidents, "?step=ship")] == [["b-1"]]
    assert groups(incidents, "?processKey=other") == []
    assert len(groups(incidents, "?processKey=onboard-user")) == 3
    problem(incidents.http.get(f"{PATH}?stepp=ship"), 422, "invalid-fields")


def test_a_group_is_retried_with_changed_variables(incidents: Facade, retried: list[tuple[str, Any]]) -> None:
    body = {"group": group_of(incidents, "a-1"), "variables": {"country": "GB"}}

    listed = incidents.post("/api/process/bulk/retry", body).json or {}
    assert [item["correlationId"] for item in listed["processes"]] == ["a-2", "a-1"]
    assert retried == []

    done = incidents.post("/api/process/bulk/retry", {**body, "dryRun": False}).json or {}
    assert (done["done"], done["refused"]) == (2, 0)
    assert retried == [("a-2", {"country": "GB"}), ("a-1", {"country": "GB"})]


def test_some_are_selected_by_id_and_by_step(incidents: Facade, retried: list[tuple[str, Any]]) -> None:
    body = {"correlationIds": ["a-1", "c-1", "runs", "rejected", "nobody"], "dryRun": False}

    assert (incidents.post("/api/process/bulk/retry", body).json or {})["done"] == 2
    assert (incidents.post("/api/process/bulk/retry", {"step": "ship", "dryRun": False}).json or {})["done"] == 1
    assert [name for name, _ in retried] == ["c-1", "a-1", "b-1"]


def test_a_large_group_is_gone_through_page_by_page(incidents: Facade, retried: list[tuple[str, Any]]) -> None:
    body = {"group": group_of(incidents, "a-1"), "dryRun": False, "limit": 1}

    first = incidents.post("/api/process/bulk/retry", body).json or {}
    second = incidents.post("/api/process/bulk/retry", {**body, "cursor": first["nextCursor"]}).json or {}

    assert [name for name, _ in retried] == ["a-2", "a-1"]
    assert (first["done"], second["done"]) == (1, 1)


def test_a_variable_that_the_engine_cannot_store_is_named(incidents: Facade) -> None:
    body = problem(incidents.post("/api/process/a-1/retry", {"variables": {"n": 2**70}}), 422, "invalid-fields")

    assert "n" in body["errors"]["variables"]


@pytest.mark.parametrize(
    ("body", "field"),
    [({"group": "nonsense"}, "group"), ({"correlationIds": []}, "correlationIds"), ({"variables": 1}, "variables")],
)
def test_wrong_fields_are_named(incidents: Facade, body: dict[str, Any], field: str) -> None:
    assert field in problem(incidents.post("/api/process/bulk/retry", body), 422, "invalid-fields")["errors"]


def test_command_lists_the_groups(incidents: Facade, flask: Callable[..., Result]) -> None:
    shown = flask("incidents")

    assert shown.exit_code == 0, shown.output
    assert "onboard-user charge: PartnerError: order … was answered with …" in shown.output
    assert "4 open incidents in 3 groups" in shown.output


def test_command_retries_a_group(
    incidents: Facade, flask: Callable[..., Result], retried: list[tuple[str, Any]]
) -> None:
    group = group_of(incidents, "a-1")

    done = flask("retry-all", "--group", group, "--variables", '{"country": "GB"}', "--yes")

    assert done.exit_code == 0, done.output
    assert "2 done, 0 refused" in done.output
    assert retried == [("a-2", {"country": "GB"}), ("a-1", {"country": "GB"})]


def test_page_shows_the_groups_and_retries_or_cancels_one(incidents: Facade, retried: list[tuple[str, Any]]) -> None:
    page = incidents.http.get("/monitor/incidents").text
    assert "order … was answered with …" in page
    assert "KeyError" in page

    done = send(incidents, "retry", group=group_of(incidents, "a-1"), variables='{"country": "GB"}')
    assert done.status_code == 200
    assert "2 retried" in done.text
    assert [name for name, _ in retried] == ["a-2", "a-1"]
    wrong = send(incidents, "retry", group=group_of(incidents, "a-1"), variables="[")
    assert wrong.status_code == 422
    assert "Must be JSON" in wrong.text


def test_group_that_is_gone_leads_back_to_the_page(incidents: Facade) -> None:
    assert send(incidents, "cancel", group="0" * 16).status_code == 303


def test_ended_process_is_in_no_group(incidents: Facade) -> None:
    row = incidents.runtime.processes.by_correlation_id("c-1")
    assert row is not None
    assert incidents.runtime.processes.settle(row.id, Ending(OK), by_ops=True)

    assert len(groups(incidents)) == 2


def send(facade: Facade, what: str, **form: str) -> Any:
    token = re.search(r'name="csrf" value="([^"]+)"', facade.http.get("/monitor/incidents").text)
    assert token is not None
    return facade.http.post(f"/monitor/incidents/{what}", data={"csrf": token[1], **form})
