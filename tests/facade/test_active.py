"""`?active=true` without an engine: the status is answered all the same. What the commands and the monitor make of it."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest

from app import views
from app.client import quiet
from app.client.quiet import QuietTeller
from app.client.reply import Reply
from app.monitor import detail
from service.standing.elements import ActiveElement, Standing
from store.process_rows import Ending
from tests.support.facade import Facade

MESSAGE = {
    "kind": "message", "name": "decision", "event": "wait", "fields": [
        {"name": "verdict", "type": "object", "required": True, "fields": [
            {"name": "approved", "type": "boolean", "required": True},
            {"name": "comment", "type": "string", "required": False},
        ]},
        {"name": "note", "type": "string", "required": False},
    ],
}  # fmt: skip
STANDING = Standing([ActiveElement("wait", "Await it", "receiveTask", None, "onboard-user", 1, [MESSAGE])])


def begun(facade: Facade, correlation_id: str = "c-1") -> uuid.UUID:
    facade.start(correlation_id, Prefer="respond-async")
    (row,) = facade.rows()
    facade.runtime.processes.record_instance(row.id, "pi")
    return row.id


def test_process_without_instance_says_that_its_start_is_queued(facade: Facade) -> None:
    facade.start("c-1", Prefer="respond-async")
    body = facade.http.get("/api/process/status/c-1?active=true").json or {}
    assert body["active"]["elements"] == []
    assert "its start is in a queue" in body["active"]["note"]


def test_unavailable_engine_does_not_break_the_status(facade: Facade) -> None:
    begun(facade)
    at = time.monotonic()
    answer = facade.http.get("/api/process/status/c-1?active=true")
    assert time.monotonic() - at < 3
    assert answer.status_code == 202
    body = answer.json or {}
    assert body["status"] == "pending"
    assert body["active"]["elements"] == []
    assert "the engine gives no answer" in body["active"]["note"]


@pytest.mark.parametrize("query", ["?active=perhaps"])
def test_other_values_are_refused(facade: Facade, query: str) -> None:
    begun(facade)
    answer = facade.http.get(f"/api/process/status/c-1{query}")
    assert (answer.status_code, list((answer.json or {})["errors"])) == (422, ["active"])


def test_unknown_parameters_are_ignored_as_before(facade: Facade) -> None:
    begun(facade)
    assert facade.http.get("/api/process/status/c-1?_=1").status_code == 202


def test_incident_shows_where_it_stands_and_an_end_does_not(facade: Facade, monkeypatch: pytest.MonkeyPatch) -> None:
    process_id = begun(facade)
    monkeypatch.setattr(views, "standing_of", lambda _: STANDING)
    facade.runtime.processes.settle(process_id, Ending("error", error={"code": "INCIDENT"}, incident_id="i"))
    assert (facade.http.get("/api/process/status/c-1?active=true").json or {})["active"] is not None
    facade.runtime.processes.settle(process_id, Ending("cancelled"))
    assert (facade.http.get("/api/process/status/c-1?active=true").json or {})["active"] is None


def test_secret_in_a_message_of_the_engine_is_redacted(facade: Facade, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(facade)
    wait = {"kind": "incident", "message": "no login with password=hunter22"}
    element = ActiveElement("a", None, "serviceTask", None, "onboard-user", 1, [wait])
    monkeypatch.setattr(views, "standing_of", lambda _: Standing([element]))
    assert "hunter22" not in facade.http.get("/api/process/status/c-1?active=true").text


def test_monitor_offers_the_awaited_messages_with_their_fields(facade: Facade, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(facade)
    monkeypatch.setattr(views, "standing_of", lambda _: STANDING)
    page = facade.http.get("/monitor/c-1/active").text
    assert "the message &#34;decision&#34; with verdict, note (optional)" in page
    assert 'data-sends="decision"' in page
    assert '<option value="decision"' in page
    assert "verdict (object), verdict.approved (boolean), verdict.comment (string, optional)" in page
    assert "&#34;approved&#34;: false" in page
    assert "comment&#34;:" not in page
    assert detail.active


def test_watch_tells_once_for_each_quiet_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet, "QUIET_S", 0.05)
    told: list[str] = []

    class Api:
        def get(self, *_: str, **__: Any) -> Reply:
            return Reply(202, {"active": {"elements": [], "note": "it waits"}})

    with QuietTeller(Api(), "c", told.append) as teller:  # type: ignore[arg-type]
        deadline = time.monotonic() + 5
        while not told and time.monotonic() < deadline:
            time.sleep(0.01)
        teller.heard()
        while len(told) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert told == ["it waits"] * 2
