"""A worker that gets SIGTERM stops a step after its grace period, and Flower shows how the step ended.

These tests must be the last that use the monitored stack, because the others count all that happened on it.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.e2e.test_flower import settled
from tests.e2e.test_topics import KNOWN_S, stays
from tests.support.api import eventually
from tests.support.monitored import Ran

pytestmark = pytest.mark.timeout(240)


def shown(ran: Ran, name: str) -> int:
    """A number of the stopped step's topic, from the list of topics."""
    topics = ran.monitored.api.get("/api/process/topics").body["topics"]
    (number,) = [topic[name] for topic in topics if topic["topic"] == "metered.work"]
    return int(number)


def in_flight(ran: Ran) -> int:
    return shown(ran, "inFlight")


def test_stopped_step_is_shown_as_revoked(ran: Ran, tmp_path: Path) -> None:
    settled(ran.monitored)
    limited = ran.monitored.api.call("POST", "/api/process/topics/metered.work/limits", {"maxConcurrency": 1})
    assert limited.status == 200, limited.body
    # After that time every worker has read the limit. (A poll for its tasks has a lease for a moment.)
    stays(lambda: shown(ran, "maxConcurrency") == 1, KNOWN_S)
    ran.hold_one(tmp_path / "go-on", "cut-off")
    assert in_flight(ran) == 1
    worker = ran.monitored.stack["worker"]

    worker.signal(signal.SIGTERM)
    assert worker.wait(30)
    # The next attempt begins before the lock would have expired.
    assert in_flight(ran) == 0
    worker.start()
    (tmp_path / "go-on").touch()

    ended = ran.monitored.api.wait_until_ended("cut-off").body
    assert ended["status"] == "ok"
    work = [event for event in ran.monitored.api.events(ended["traceabilityId"]) if event["stepName"] == "work"]
    assert [(event["phase"], (event["metadata"] or {}).get("released")) for event in work] == [
        ("lost", True),
        ("completed", None),
    ]
    wanted = [
        ("metered.respond", "SUCCESS"),
        ("metered.work", "REVOKED"),
        ("metered.work", "SUCCESS"),
        ("start metered", "SUCCESS"),
    ]

    def in_flower() -> list[tuple[str, str]]:
        found = [task for task in settled(ran.monitored) if task["args"] == "(cut-off)"]
        return sorted((task["name"], task["state"]) for task in found)

    # Workers send their events to Flower a few times a second.
    eventually(lambda: in_flower() == wanted, 15, f"{wanted}, not {in_flower()}")
