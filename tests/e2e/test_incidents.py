"""Incidents on the running system: they are grouped by their cause, and a group is retried with changed variables."""

from __future__ import annotations

from typing import Any

from tests.support.api import Api, eventually


def test_group_is_retried_with_changed_variables(api: Api) -> None:
    started = [api.start("probe", {"do": "fail"}) for _ in range(3)]
    names = [answer.body["correlationId"] for answer in started]
    assert {answer.status for answer in started} == {500}

    group = eventually(lambda: group_of(api, set(names)))
    assert (group["processKey"], group["step"], group["count"] >= 3) == ("probe", "work", True)
    assert group["version"] >= 1
    assert group["first"] <= group["last"]

    body = {"group": group["id"], "correlationIds": names, "variables": {"do": "nothing"}, "dryRun": False}
    retried = api.call("POST", "/api/process/bulk/retry", body)

    assert (retried.status, retried.body["done"], retried.body["refused"]) == (200, 3, 0)
    ended = [api.wait_until_ended(name).body for name in names]
    assert [row["status"] for row in ended] == ["ok"] * 3
    (event,) = [event for event in api.events(ended[0]["traceabilityId"]) if event["phase"] == "ops"]
    assert (event["stepName"], event["metadata"]["variables"]) == ("retry", ["do"])


def group_of(api: Api, names: set[str]) -> dict[str, Any] | None:
    groups = api.get("/api/process/incidents?processKey=probe").body["groups"]
    return next((group for group in groups if names <= set(group["correlationIds"])), None)
