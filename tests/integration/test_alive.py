"""The liveness probe of a worker: it reports this worker alone, even if other parts are unavailable."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.environment import ROOT
from dev.stack import Stack
from tests.support.api import eventually

#: seconds that a probe may take on a busy machine
PATIENCE_S = 30


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A broker and a worker, which need no other part to be alive."""
    settings = {"WORKER_ALIVE_DIR": tmp_path, "CAMUNDA_BASE_URL": "http://127.0.0.1:9/engine-rest"}
    stack = Stack(tmp_path, settings=settings, parts=("broker", "worker"))
    try:
        stack.start_parts(["broker"])
        yield stack
    finally:
        stack.stop()


def probe(stack: Stack, *, silence_s: float = 2.0) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "tasks.alive", "--hostname", "worker@%h", "--silence", str(silence_s)],
        cwd=ROOT,
        env=dict(stack.environment.variables),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_probe_distinguishes_a_live_worker_from_one_that_hangs_waits_or_is_gone(stack: Stack) -> None:
    code, said = probe(stack)
    assert (code, "no worker of this name has begun here" in said) == (1, True), said
    stack.start_parts(["worker"])
    eventually(lambda: probe(stack)[0] == 0, 30, "a live worker")

    pid = stack["worker"].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        code, said = eventually(lambda: (found := probe(stack))[0] == 1 and found, 30, "a worker that hangs")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert "silent for" in said
    eventually(lambda: probe(stack)[0] == 0, 30, "a worker that continues")

    assert stack.broker is not None
    stack.broker.process.kill()
    code, said = eventually(lambda: "waits for Redis" in (found := probe(stack))[1] and found, 30, "a silent worker")
    assert code == 0
    stack.start_parts(["broker"])
    eventually(lambda: "alive" in probe(stack)[1], 60, "a worker that has reconnected to its broker")

    stack["worker"].terminate(30)
    assert probe(stack)[0] == 1
