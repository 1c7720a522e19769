"""Variables of a running process are read and changed: types stay, the schema decides, what cannot be is refused."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from dev.stack import Stack
from tests.support.api import Api, eventually
from tests.support.facade import USER

#: seconds after which every worker has read a pause
KNOWN_S = 1.5


@pytest.fixture
def waiting(api: Api, stack: Stack) -> str:
    """The correlation id of a process that waits, with variables of several types."""
    started = api.start("awaits-message", {"count": 7, "text": "a", "apiKey": "hush"}, prefer="respond-async")
    name = str(started.body["correlationId"])
    instance = eventually(lambda: api.get(f"/api/process/status/{name}").body["processInstanceId"])
    more = {
        "big": {"type": "Long", "value": 5},
        "when": {"type": "Date", "value": "2026-01-02T03:04:05.000+0000"},
        "file": {"type": "Bytes", "value": "AAAA"},
    }
    url = f"{stack.environment.get('CAMUNDA_BASE_URL')}/process-instance/{instance}/variables"
    requests.post(url, json={"modifications": more}, timeout=10).raise_for_status()
    return name


def variables(api: Api, name: str) -> dict[str, Any]:
    answer = api.get(f"/api/process/{name}/variables")
    assert answer.status == 200, answer.body
    return {item["name"]: (item["type"], item["value"]) for item in answer.body["variables"]}


def change(api: Api, name: str, values: dict[str, Any], **more: Any) -> Any:
    return api.call("PATCH", f"/api/process/{name}/variables", {"variables": values, **more})


def test_variables_are_shown_with_their_types_and_without_secrets(api: Api, waiting: str) -> None:
    found = variables(api, waiting)

    assert found["count"] == ("Integer", 7)
    assert found["big"] == ("Long", 5)
    assert found["when"][0] == "Date"
    assert found["file"] == ("Bytes", None)
    assert found["apiKey"] == ("String", "[redacted]")
    assert "executionContext" not in found


def test_change_keeps_the_types_and_is_audited(api: Api, waiting: str) -> None:
    values = {"count": 8, "big": 6, "when": "2026-02-03T04:05:06Z", "new": {"a": [1]}, "apiKey": "other"}

    planned = change(api, waiting, values, dryRun=True)
    assert (planned.status, planned.body["dryRun"], len(planned.body["changes"])) == (200, True, 5)
    assert variables(api, waiting)["count"] == ("Integer", 7)

    done = change(api, waiting, values)
    again = change(api, waiting, values)

    assert (done.status, again.status) == (200, 200)
    found = variables(api, waiting)
    assert (found["count"], found["big"]) == (("Integer", 8), ("Long", 6))
    assert found["when"][0] == "Date"
    assert found["when"][1].startswith("2026-02-03T04:05:06")
    assert found["new"] == ("Json", {"a": [1]})
    by_name = {item["name"]: item for item in done.body["changes"]}
    assert by_name["count"]["before"]["value"] == 7
    assert by_name["new"]["before"] is None
    traceability_id = api.get(f"/api/process/status/{waiting}").body["traceabilityId"]
    first, _ = [event for event in api.events(traceability_id) if event["phase"] == "ops"]
    assert (first["stepName"], first["actor"]) == ("variables", "api")
    assert first["metadata"]["variables"] == {**values, "apiKey": "[redacted]"}


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"count": "many"}, "count"),
        ({"count": 2**40}, "count"),
        ({"when": "soon"}, "when"),
        ({"file": "x"}, "file"),
        ({"executionContext": {}}, "executionContext"),
        ({"n": 2**70}, "n"),
    ],
)
def test_wrong_value_is_named_and_nothing_is_changed(api: Api, waiting: str, values: dict[str, Any], name: str) -> None:
    refused = change(api, waiting, {"text": "b", **values})

    assert (refused.status, refused.body["type"]) == (422, "/problems/invalid-fields")
    assert name in refused.body["errors"]["variables"]
    assert variables(api, waiting)["text"] == ("String", "a")


def test_start_schema_checks_the_variables_that_it_names(api: Api) -> None:
    topic = "/api/process/topics/onboard-user.validate-user-information"
    assert api.call("POST", f"{topic}/pause", {}).status == 200
    try:
        time.sleep(KNOWN_S)
        name = api.start("onboard-user", USER, prefer="respond-async").body["correlationId"]
        eventually(lambda: api.get(f"/api/process/status/{name}").body["processInstanceId"])

        refused = change(api, name, {"email": "nonsense"})
        done = change(api, name, {"email": "grace@example.org"})
    finally:
        assert api.call("POST", f"{topic}/resume", {}).status == 200

    assert "email" in refused.body["errors"]["variables"]
    assert done.status == 200
    assert api.wait_until_ended(name).body["status"] == "ok"
    ended = change(api, name, {"email": "ada@example.org"})
    assert (ended.status, ended.body["type"]) == (409, "/problems/already-ended")
    assert api.get(f"/api/process/{name}/variables").status == 409
