"""Compare the event log with the engine's log: both must have the same completed steps under the same lock tokens."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import requests

from tests.support.accounting import attempts, check_consistency
from tests.support.world import World


def check_all(world: World, correlation_ids: Iterable[str], process_key: str, notes: Path | None = None) -> None:
    """Check that rows, instances, events and queues agree, and that our events agree with the engine's log.

    Args:
        notes: the file of the handlers' notes; in each process that ended well, exactly one attempt of `work` ended.

    Raises:
        AssertionError: something is left over, missing or there twice; the message names it.
    """
    ids = list(correlation_ids)
    check_consistency(world.stack, world.api, ids, process_key)
    client = world.client()
    assert client.hlen("unacked") == 0, "unacknowledged messages"
    client.close()
    for correlation_id in ids:
        assert not world.has_open_instance(correlation_id), f"{correlation_id} has ended and its instance runs"
        check_tokens(world, correlation_id)
    if notes is not None:
        ended = attempts(notes, "end")
        assert {item: ended[item] for item in ids} == dict.fromkeys(ids, 1)


def work_phases(world: World, correlation_id: str) -> list[str]:
    """The phases of the attempts of the step `work`, in order."""
    trace = world.api.status(correlation_id).body["traceabilityId"]
    return [event["phase"] for event in world.api.events(trace) if event["stepName"] == "work"]


def check_tokens(world: World, correlation_id: str) -> None:
    """The completed attempts of our event log are those of the engine's log, by their tasks."""
    row = world.api.status(correlation_id).body
    entries = requests.get(
        f"{world.engine_url}/history/external-task-log",
        params={"processInstanceId": row["processInstanceId"], "successLog": "true"},
        timeout=20,
    ).json()
    done = sorted(entry["externalTaskId"] for entry in entries)
    ours = sorted(
        event["externalTaskId"] for event in world.api.events(row["traceabilityId"]) if event["phase"] == "completed"
    )
    assert ours == done, f"{correlation_id}: completed events {ours}, the engine's log {done}"
