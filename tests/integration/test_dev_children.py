"""Child processes: started, checked, killed, started again, and never left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dev import children
from dev.children import Child, ChildError, stop_all
from dev.environment import ROOT
from dev.guard import WATCHDOG

#: seconds within which a process must have started or ended
PATIENCE_S = 10.0

SLEEPS = [sys.executable, "-c", "import time; print('awake', flush=True); time.sleep(600)"]
IGNORES_SIGTERM = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('awake', flush=True); time.sleep(600)",
]
#: prints the id of a child of its own
HAS_CHILD = [
    sys.executable,
    "-c",
    "import subprocess, sys, time\n"
    "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    "print(p.pid, flush=True); time.sleep(600)",
]


def eventually(look: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not look():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Child]]:
    made: list[Child] = []

    def make_child(command: list[str], name: str = "part", ready_text: str = "") -> Child:
        child = Child(name, command, log=tmp_path / f"{name}.log", ready=lambda me: ready_text in me.log_text())
        made.append(child)
        return child

    yield make_child
    for child in made:
        child.kill()


def test_child_is_ready_when_its_check_returns_true(make: Callable[..., Child]) -> None:
    child = make(SLEEPS, ready_text="awake")
    child.start()
    child.wait_ready(PATIENCE_S)
    assert child.log_text() == "awake\n"


def test_killed_child_can_be_started_again_and_keeps_its_log(make: Callable[..., Child]) -> None:
    child = make(SLEEPS, ready_text="awake")
    child.start()
    child.wait_ready(PATIENCE_S)
    first = child.pid
    child.kill()
    assert child.returncode == -signal.SIGKILL
    child.start()
    eventually(lambda: child.log_text().count("awake") == 2, "the second run is logged behind the first")
    assert child.pid != first
    assert child.log_text(since_start=True) == "awake\n"


def test_child_that_runs_is_not_started_twice(make: Callable[..., Child]) -> None:
    child = make(SLEEPS)
    child.start()
    with pytest.raises(ChildError, match="runs already"):
        child.start()


def test_unknown_program_is_named(make: Callable[..., Child]) -> None:
    with pytest.raises(ChildError, match=r"part cannot be started.*no-such-program"):
        make(["no-such-program"]).start()


def test_failure_shows_exit_code_and_last_lines(make: Callable[..., Child]) -> None:
    child = make([sys.executable, "-c", "for n in range(100): print('line', n)\nraise SystemExit(3)"])
    child.start()
    assert child.wait(PATIENCE_S)
    with pytest.raises(ChildError) as failed:
        child.wait_ready(PATIENCE_S)
    text = str(failed.value)
    assert "part ended with exit code 3" in text
    assert text.endswith("| line 99")
    assert "line 79" not in text


def test_wait_for_a_child_that_is_never_ready_ends_at_the_deadline(make: Callable[..., Child]) -> None:
    child = make(SLEEPS, ready_text="never said")
    child.start()
    with pytest.raises(ChildError, match="not ready within 0 s"):
        child.wait_ready(0.2)


def test_finish_runs_a_command_to_its_end(make: Callable[..., Child]) -> None:
    child = make([sys.executable, "-c", "print('done')"])
    child.finish(PATIENCE_S)
    assert child.log_text() == "done\n"


def test_finish_reports_while_the_command_runs(make: Callable[..., Child], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "REPORT_EVERY_S", 0.05)
    reports: list[float] = []
    until_reported = make([sys.executable, "-c", "import sys, time\nwhile True: time.sleep(0.01)"])

    def waiting(seconds: float) -> None:
        reports.append(seconds)
        if len(reports) == 3:
            until_reported.signal(signal.SIGTERM)

    until_reported.finish(PATIENCE_S, good_codes=(-signal.SIGTERM,), waiting=waiting)
    assert len(reports) >= 3
    assert reports == sorted(reports)


def test_finish_refuses_a_bad_end_and_a_late_one(make: Callable[..., Child]) -> None:
    with pytest.raises(ChildError, match="exit code 1"):
        make([sys.executable, "-c", "raise SystemExit('no')"]).finish(PATIENCE_S)
    late = make(SLEEPS)
    with pytest.raises(ChildError, match="took longer"):
        late.finish(0.2)
    assert not late.is_running


def test_terminate_kills_what_ignores_sigterm(make: Callable[..., Child]) -> None:
    child = make(IGNORES_SIGTERM, ready_text="awake")
    child.start()
    child.wait_ready(PATIENCE_S)
    child.terminate(timeout_s=0.2)
    assert child.returncode == -signal.SIGKILL


@pytest.mark.parametrize("end", [Child.kill, Child.terminate])
def test_grandchildren_go_with_their_part(make: Callable[..., Child], end: Callable[[Child], None]) -> None:
    child = make(HAS_CHILD, ready_text="\n")
    child.start()
    child.wait_ready(PATIENCE_S)
    grandchild = int(child.log_text())
    end(child)
    eventually(lambda: is_gone(grandchild), "the grandchild is gone")


def test_process_killed_alone_leaves_its_children_until_the_part_is_stopped(make: Callable[..., Child]) -> None:
    child = make(HAS_CHILD, ready_text="\n")
    child.start()
    child.wait_ready(PATIENCE_S)
    grandchild = int(child.log_text())
    child.kill(whole_group=False)
    assert not child.is_running
    assert not is_gone(grandchild)
    stop_all([child], timeout_s=1)
    eventually(lambda: is_gone(grandchild), "the grandchild is gone")


def test_stop_all_shares_one_deadline(make: Callable[..., Child]) -> None:
    stubborn = [make(IGNORES_SIGTERM, name=f"stubborn-{n}", ready_text="awake") for n in range(3)]
    for child in stubborn:
        child.start()
    for child in stubborn:
        child.wait_ready(PATIENCE_S)
    begun = time.monotonic()
    stop_all([*stubborn, make(SLEEPS, name="never-started")], timeout_s=1)
    assert time.monotonic() - begun < 2.8
    assert not any(child.is_running for child in stubborn)


RUNNER = """
import sys, time
from pathlib import Path
from dev.children import Child
child = Child("part", {command!r}, log=Path({log!r}), ready=lambda me: "\\n" in me.log_text())
child.start()
child.wait_ready(10)
print(child.pid, child.log_text().strip(), flush=True)
{then}
"""


@pytest.mark.parametrize("then", ["time.sleep(600)", "", "import os; os.fork() or time.sleep(600); time.sleep(600)"])
def test_children_of_a_runner_that_is_killed_or_forgets_them_are_gone(tmp_path: Path, then: str) -> None:
    code = RUNNER.format(command=HAS_CHILD, log=str(tmp_path / "part.log"), then=then)
    runner = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert runner.stdout is not None
        child, grandchild = map(int, runner.stdout.readline().split())
        if then:
            assert not is_gone(child)
            runner.kill()
        runner.wait(PATIENCE_S)
        eventually(lambda: is_gone(child) and is_gone(grandchild), "child and grandchild are gone")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(runner.pid, signal.SIGKILL)
        runner.wait()
        if runner.stdout is not None:
            runner.stdout.close()


def test_watchdog_that_starts_after_its_runner_went_still_kills_what_was_left(make: Callable[..., Child]) -> None:
    child = make(HAS_CHILD, ready_text="\n")
    child.start()
    child.wait_ready(PATIENCE_S)
    read_end, write_end = os.pipe()
    os.write(write_end, f"+{child.pid}\n".encode())
    # A parent id that is not the watchdog's: the runner is gone. The pipe stays open, as if the runner had forked.
    subprocess.run([sys.executable, str(WATCHDOG), "-1"], stdin=read_end, timeout=PATIENCE_S, check=True)
    os.close(read_end)
    os.close(write_end)
    assert child.wait(PATIENCE_S)
    assert child.returncode == -signal.SIGKILL
