"""`python -m bench.hooks`: the CPU time that metrics add to one step, with the counts in files as in production."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from camunda_bridge.calls import note_call
from telemetry.metrics import declared
from telemetry.metrics.sharing import share

STEPS = 20_000
TASK = "/external-task/4c3e1a52-7d2b-11f0-9b0a-0242ac110002/complete"


def one_step() -> None:
    """Count what a step in the middle of a process counts: two transactions, two engine calls, and the step."""
    for _ in range(2):
        declared.WRITE_WAIT.observe(0.0004)
        declared.WRITE_SECONDS.observe(0.002)
    note_call("POST", TASK, "204", 0.004)
    note_call("POST", "/external-task/fetchAndLock", "200", 0.006)
    declared.FETCHED.labels("follow").observe(1)
    declared.STEP_QUEUED.labels("onboard-user").observe(0.004)
    declared.STEP_SECONDS.labels("onboard-user.prepare-response", "completed").observe(0.01)
    declared.STEP_ATTEMPTS.labels("onboard-user.prepare-response", "completed").inc()


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        share("bench", Path(folder))
        one_step()
        begun = time.process_time()
        for _ in range(STEPS):
            one_step()
        took_s = time.process_time() - begun
        files = sum(file.stat().st_size for file in Path(folder).rglob("*.db"))
    print(f"{took_s / STEPS * 1e6:.0f} microseconds of CPU time a step, {files // 1024} KiB of files a process")


if __name__ == "__main__":
    main()
