"""`make run`: all parts start and serve, dead parts start again, and Ctrl-C leaves nothing behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dev.environment import LOCAL_PARTS, ROOT
from dev.ports import LOOPBACK, free_port

#: seconds that the start of all parts may take on a busy machine
START_S = 150.0

PORTS = ("LOCAL_REDIS_PORT", "LOCAL_ENGINE_PORT", "LOCAL_PARTNER_PORT", "WEB_PORT", "FLOWER_PORT")


class Run:
    """One `python -m dev.run` with ports of its own."""

    def __init__(self, folder: Path, *arguments: str, **settings: object) -> None:
        self.ports = {name: free_port() for name in PORTS} | settings
        self.output = folder / "run.txt"
        env = {name: value for name, value in os.environ.items() if name not in LOCAL_PARTS.values()}
        env |= {name: str(value) for name, value in self.ports.items()}
        env["DATABASE_URL"] = f"sqlite:///{folder / 'store.db'}"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dev.run", "--folder", str(folder), *arguments],
                cwd=ROOT,
                env=env,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def text(self) -> str:
        return self.output.read_text()

    def wait_for(self, look: Callable[[], bool], what: str, timeout_s: float = START_S) -> None:
        deadline = time.monotonic() + timeout_s
        while not look():
            assert time.monotonic() < deadline, f"{what}\n{self.text()}"
            assert self.process.poll() is None or look(), f"{what}: it ended\n{self.text()}"
            time.sleep(0.1)

    def wait_until_nothing_is_left(self) -> None:
        """Wait until no process of the run is left: the watchdog notices the end of the runner after a moment."""
        deadline = time.monotonic() + 10.0
        while self.descendants():
            assert time.monotonic() < deadline, f"{self.descendants()}\n{self.text()}"
            time.sleep(0.1)

    def descendants(self) -> dict[int, str]:
        """Process id -> command line of all processes that were started with this run's ports."""
        mark = f"LOCAL_REDIS_PORT={self.ports['LOCAL_REDIS_PORT']}".encode()
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (folder / "environ").read_bytes().split(b"\0") and int(folder.name) != self.process.pid:
                    found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ").strip()
        return found


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def start(*arguments: str, **settings: object) -> Run:
        runs.append(Run(tmp_path, *arguments, **settings))
        return runs[-1]

    yield start
    for each in runs:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(each.process.pid, signal.SIGKILL)
        each.process.wait()


@pytest.mark.timeout(400)
def test_run_serves_starts_dead_parts_again_and_leaves_nothing_behind(run: Callable[..., Run]) -> None:
    stack = run()
    stack.wait_for(lambda: "Ctrl-C" in stack.text(), "the addresses are shown")
    answer = stack.text().partition("200 after")[2]
    result, _ = json.JSONDecoder().raw_decode(answer[answer.index("{") :])
    assert result["status"] == "ok"
    assert result["result"]["customerId"] == "cus-user-1001"
    for url in (
        f"http://{LOOPBACK}:{stack.ports['WEB_PORT']}/docs",
        f"http://{LOOPBACK}:{stack.ports['WEB_PORT']}/monitor",
        f"http://{LOOPBACK}:{stack.ports['FLOWER_PORT']}/",
    ):
        assert f" {url.removesuffix('/')}\n" in stack.text(), "the banner shows it"
        with urllib.request.urlopen(url, timeout=10) as page:
            assert page.status == 200

    partner = next(pid for pid, command in stack.descendants().items() if "dev.partner_stub" in command)
    os.kill(partner, signal.SIGKILL)
    stack.wait_for(lambda: "partner ended with exit code -9; starting it again" in stack.text(), "it is revived", 10)

    stack.process.send_signal(signal.SIGINT)
    assert stack.process.wait(90) == 0
    stack.wait_until_nothing_is_left()
    assert stack.text().endswith("stopped\n")


@pytest.mark.timeout(200)
def test_second_interrupt_while_starting_kills_at_once(run: Callable[..., Run]) -> None:
    stack = run("--once")
    stack.wait_for(lambda: "engine   starting" in stack.text() and "broker   ready" in stack.text(), "it starts")
    # A part that hangs ends only by SIGKILL, so the stack is still stopping when the second Ctrl-C comes.
    engine = next(pid for pid, command in stack.descendants().items() if "engine" in command and "java" in command)
    os.kill(engine, signal.SIGSTOP)
    stack.process.send_signal(signal.SIGINT)
    stack.wait_for(lambda: "engine   stopping" in stack.text(), "it stops", 10)
    stack.process.send_signal(signal.SIGINT)
    assert stack.process.wait(60) == 1
    assert "Ctrl-C again kills" in stack.text()
    assert "\nkilling\n" in stack.text()
    assert stack.text().endswith("\nstopped\n")
    stack.wait_until_nothing_is_left()


@pytest.mark.timeout(200)
def test_interrupts_at_any_moment_leave_nothing_behind(run: Callable[..., Run]) -> None:
    stack = run("--once")
    stack.wait_for(lambda: "broker   starting" in stack.text(), "it starts")
    while stack.process.poll() is None:
        stack.process.send_signal(signal.SIGINT)
        time.sleep(0.001)
    assert stack.process.returncode == 1
    assert "Traceback" not in stack.text()
    assert "\nstopped\n" in stack.text()
    stack.wait_until_nothing_is_left()


@pytest.mark.parametrize("setting", PORTS)
def test_taken_port_is_named_before_anything_starts(run: Callable[..., Run], setting: str) -> None:
    with socket.socket() as server:
        server.bind((LOOPBACK, 0))
        server.listen()
        port = server.getsockname()[1]
        stack = run("--once", **{setting: port})
        assert stack.process.wait(30) == 2
    assert f"failed: {setting}={port} is in use; set {setting} to another port" in stack.text()
    assert "starting" not in stack.text()


def test_wrong_setting_is_named_before_anything_starts(run: Callable[..., Run]) -> None:
    stack = run("--once", SYNC_TIMEOUT_MS="soon")
    assert stack.process.wait(30) == 2
    assert "SYNC_TIMEOUT_MS" in stack.text()
    assert "Traceback" not in stack.text()


@pytest.mark.timeout(200)
def test_part_that_cannot_start_is_shown_with_its_last_lines(run: Callable[..., Run]) -> None:
    broken = run("--once", REDIS_URL="redis://127.0.0.1:1/0", CAMUNDA_BASE_URL="http://127.0.0.1:1/engine-rest")
    assert broken.process.wait(120) == 1
    assert "failed: deploy ended with exit code" in broken.text()
    broken.wait_until_nothing_is_left()
