"""Suspended processes and definitions on the running system: nothing goes on, nothing is lost or done twice."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from tests.support.api import Api, eventually

#: seconds in which several polls and reconciles run
A_WHILE_S = 2.5
#: seconds after which every worker has read a pause
KNOWN_S = 1.5


def stays(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + A_WHILE_S
    while time.monotonic() < deadline:
        assert is_so()
        time.sleep(0.1)


def suspended(api: Api, name: str) -> bool:
    found: bool = api.get(f"/api/process/status/{name}?active=true").body["active"]["suspended"]
    return found


def test_step_that_runs_while_its_process_is_suspended_runs_once_and_counts_after_it(api: Api, tmp_path: Path) -> None:
    notes, until = tmp_path / "notes", tmp_path / "until"
    given = {"do": "hold", "notes": str(notes), "until": str(until)}
    name = api.start("patient", given, prefer="respond-async").body["correlationId"]
    eventually(notes.exists)

    first = api.call("POST", f"/api/process/{name}/suspend", {"reason": "disputed"})
    again = api.call("POST", f"/api/process/{name}/suspend", {"reason": "disputed"})
    assert (first.status, again.status) == (200, 200)
    assert suspended(api, name)
    until.touch()
    eventually(lambda: "end" in notes.read_text())
    stays(lambda: api.get(f"/api/process/status/{name}").body["status"] == "pending")

    resumed = api.call("POST", f"/api/process/{name}/resume")

    assert resumed.status == 200
    ended = api.wait_until_ended(name)
    assert ended.body["status"] == "ok"
    assert len(notes.read_text().splitlines()) == 2
    ops = [event for event in api.events(ended.body["traceabilityId"]) if event["phase"] == "ops"]
    assert [(event["stepName"], event["actor"]) for event in ops] == [
        ("suspend", "api"),
        ("suspend", "api"),
        ("resume", "api"),
    ]
    refused = api.call("POST", f"/api/process/{name}/suspend", {})
    assert (refused.status, refused.body["type"]) == (409, "/problems/already-ended")


def test_suspended_definition_holds_its_instances_and_its_new_starts(api: Api) -> None:
    waiting = api.start("awaits-message", prefer="respond-async").body["correlationId"]
    eventually(lambda: api.get(f"/api/process/status/{waiting}").body["processInstanceId"])
    path = "/api/process/definitions/awaits-message"

    answer = api.call("POST", f"{path}/suspend", {"reason": "a fault in the diagram"})
    try:
        assert answer.status == 200
        assert answer.body["suspended"]
        assert answer.body["versions"] >= 1
        assert suspended(api, waiting)
        held = api.start("awaits-message", prefer="respond-async").body["correlationId"]
        eventually(lambda: suspended(api, held))
        stays(lambda: api.get(f"/api/process/status/{held}").body["status"] == "pending")
        assert "suspended" in api.get(f"/api/process/status/{held}?active=true").body["active"]["note"]
        early = api.call("POST", f"/api/process/{held}/suspend", {})
        assert (early.status, early.body["type"]) == (409, "/problems/not-started")
    finally:
        assert api.call("POST", f"{path}/resume").status == 200

    assert not suspended(api, waiting)
    eventually(lambda: api.get(f"/api/process/status/{held}").body["processInstanceId"], 90)
    for name in (waiting, held):
        assert api.call("POST", f"/api/process/{name}/cancel", {}).status == 200


def test_a_process_is_suspended_with_those_that_it_called(api: Api) -> None:
    topic = "/api/process/topics/callee.inner"
    assert api.call("POST", f"{topic}/pause", {}).status == 200
    try:
        time.sleep(KNOWN_S)
        started = api.start("caller", prefer="respond-async")
        name = started.body["correlationId"]
        eventually(lambda: "callee" in str(api.get(f"/api/process/status/{name}?active=true").body["active"]), 20)
        api.call("POST", f"/api/process/{name}/suspend", {})
    finally:
        assert api.call("POST", f"{topic}/resume").status == 200

    (event,) = [event for event in api.events(started.body["traceabilityId"]) if event["phase"] == "ops"]
    assert len(event["metadata"]["instances"]) == 2
    stays(lambda: api.get(f"/api/process/status/{name}").body["status"] == "pending")
    assert api.call("POST", f"/api/process/{name}/resume").status == 200
    assert api.wait_until_ended(name).body["status"] == "ok"


def test_what_is_not_known_is_refused(api: Api) -> None:
    unknown = api.call("POST", "/api/process/nobody/suspend", {})
    no_definition = api.call("POST", "/api/process/definitions/nobody/suspend", {})

    assert (unknown.status, unknown.body["type"]) == (404, "/problems/unknown-correlation-id")
    assert (no_definition.status, no_definition.body["type"]) == (404, "/problems/unknown-process")
