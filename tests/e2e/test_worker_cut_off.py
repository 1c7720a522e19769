"""A worker that is told to stop cuts off a step after its grace time, and Flower shows how the step ended.

The last of the tests that share the monitored stack: the others count what they did to it.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.e2e.test_flower import settled
from tests.support.api import eventually
from tests.support.monitored import Ran

pytestmark = pytest.mark.timeout(240)


def test_step_that_was_cut_off_is_shown_as_revoked(ran: Ran, tmp_path: Path) -> None:
    settled(ran.monitored)
    ran.hold_one(tmp_path / "go-on", "cut-off")
    worker = ran.monitored.stack["worker"]

    worker.signal(signal.SIGTERM)
    assert worker.wait(30)
    worker.start()
    (tmp_path / "go-on").touch()

    assert ran.monitored.api.wait_until_ended("cut-off").body["status"] == "ok"
    wanted = [
        ("metered.respond", "SUCCESS"),
        ("metered.work", "REVOKED"),
        ("metered.work", "SUCCESS"),
        ("start metered", "SUCCESS"),
    ]

    def shown() -> list[tuple[str, str]]:
        found = [task for task in settled(ran.monitored) if task["args"] == "(cut-off)"]
        return sorted((task["name"], task["state"]) for task in found)

    # Workers tell Flower a few times a second.
    eventually(lambda: shown() == wanted, 15, f"{wanted}, not {shown()}")
