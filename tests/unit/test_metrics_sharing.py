"""Counts of a parent and its children, which are forked, replaced and killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from dev.environment import ROOT
from tests.support.metrics_text import Scrape

#: seconds that a parent and its children may take
PATIENCE_S = 60

#: each test runs in a process of its own, because the folder of the counts is chosen once a process
HEAD = """
import os, signal, sys, time
from pathlib import Path
from telemetry.metrics import declared
from telemetry.metrics.showing import render, share_once

def child(work, how=lambda: os._exit(0)):
    pid = os.fork()
    if pid == 0:
        work()
        how()
    os.waitpid(pid, 0)
    return pid

def step(outcome="completed"):
    declared.STEP_ATTEMPTS.labels("a.b", outcome).inc()
    declared.STEP_SECONDS.labels("a.b", outcome).observe(0.2)
    declared.DATABASE_AWAY.inc()

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def show():
    print(render("text/plain")[0].decode())

# Counted before: forgotten, and counted anew afterwards.
step()

folder = Path(sys.argv[1])
share_once("worker", str(folder))
(own,) = folder.glob("celery-camunda-metrics-worker-*")
"""

Family = Callable[[str], str]


@pytest.fixture
def family(tmp_path: Path) -> Family:
    """Run a parent that shares counts with its children. Returns its output."""

    def run(code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", HEAD + textwrap.dedent(code), str(tmp_path)],
            cwd=ROOT,
            check=False,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.stdout

    return run


def test_parent_shows_what_its_children_counted(family: Family) -> None:
    scrape = Scrape(family("child(step); child(step); step(); show()"))
    assert scrape.value("step_attempts_total", topic="a.b", outcome="completed") == 3
    assert scrape.value("step_duration_seconds_count") == 3
    assert scrape.value("step_duration_seconds_bucket", le="0.1") == 0
    assert scrape.value("step_duration_seconds_bucket", le="0.25") == 3
    assert scrape.value("step_duration_seconds_sum") == pytest.approx(0.6)
    assert scrape.value("database_away_total") == 3


def test_child_shows_what_its_siblings_counted(family: Family) -> None:
    scrape = Scrape(family("child(step); child(step); child(lambda: (show(), sys.stdout.flush()))"))
    assert scrape.value("step_attempts_total") == 2


def test_counts_of_killed_children_are_kept_however_often_they_are_shown(family: Family) -> None:
    scrape = Scrape(family("[child(step, die) for _ in range(5)]; render(''); child(step, die); render(''); show()"))
    assert scrape.value("step_attempts_total") == 6
    assert scrape.value("step_duration_seconds_bucket", le="+Inf") == 6
    assert scrape.value("step_duration_seconds_bucket", le="0.25") == 6


def test_dead_children_leave_no_files(family: Family) -> None:
    said = family("""
        [child(step) for _ in range(20)]
        render("")
        print(*sorted(path.name.replace(str(os.getpid()), "parent") for path in own.glob("*.db")))
    """)
    assert said.split() == [
        "counter_dead.db",
        "counter_parent.db",
        "gauge_livesum_parent.db",
        "histogram_dead.db",
        "histogram_parent.db",
    ]


def test_what_a_dead_process_had_open_is_closed(family: Family) -> None:
    scrape = Scrape(family("child(declared.WAITING.inc, die); declared.WAITING.inc(2); show()"))
    assert scrape.value("waiting_requests") == 2


def test_family_that_ends_removes_its_folder_and_its_children_do_not(family: Family) -> None:
    said = family("child(step, sys.exit); print(own.exists(), own)").split()
    assert said[0] == "True"
    assert not Path(said[1]).exists()


def test_folder_of_a_killed_family_is_removed_by_the_next_one(family: Family) -> None:
    left = Path(family("print(own, flush=True); die()").strip())
    assert left.is_dir()
    os.utime(left, (0, 0))

    family("pass")

    assert not left.exists()


def test_child_that_is_forked_while_metrics_are_read_delays_nothing(family: Family) -> None:
    said = family("""
        from telemetry.metrics import showing
        with showing._shared.settled():
            pid = os.fork()
            if pid == 0:
                time.sleep(120)
                os._exit(0)
        signal.alarm(20)
        render("")
        print("read")
        os.kill(pid, signal.SIGKILL)
    """)
    assert said.strip() == "read"


def test_folder_of_a_running_family_is_kept(family: Family) -> None:
    said = family("""
        import subprocess
        os.utime(own, (0, 0))
        other = "from telemetry.metrics.showing import share_once; share_once('web', sys.argv[1])"
        subprocess.run([sys.executable, "-c", "import sys;" + other, str(folder)], check=True)
        print(own.exists())
    """)
    assert said.strip() == "True"


def test_folder_that_cannot_be_made_is_named(family: Family) -> None:
    said = family("""
        from telemetry.metrics import showing
        from settings import SettingsError
        showing._shared = None
        try:
            share_once("web", "/proc/nowhere")
        except SettingsError as error:
            print(error)
    """)
    assert said.startswith("METRICS_DIR=/proc/nowhere: ")


def test_folder_that_was_just_made_is_kept(family: Family, tmp_path: Path) -> None:
    fresh = tmp_path / "celery-camunda-metrics-web-0000"
    fresh.mkdir()
    family("pass")
    assert fresh.is_dir()
