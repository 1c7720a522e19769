"""The worker's pool passes a message to an idle child at once and only once, and watches no pipe without need."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery.concurrency.asynpool import SCHED_STRATEGY_FAIR
from kombu.asynchronous import Hub, set_event_loop

from tasks import app
from tasks.worker.pool import Pool

SLOTS = 2


def length(text: str, seconds: float = 0.0) -> int:
    time.sleep(seconds)
    return len(text)


def note_and_hang(notes: str) -> None:
    with open(notes, "a") as file:
        file.write(f"{os.getpid()}\n")
    time.sleep(60)


def kill(pid: int) -> None:
    """Kill this child and wait for its end; its parent can still get its exit code."""
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


class Running:
    """A pool in an event loop of its own."""

    def __init__(self) -> None:
        self.hub = Hub()
        set_event_loop(self.hub)
        self.pool = Pool(SLOTS, sched_strategy=SCHED_STRATEGY_FAIR, threads=False, app=app)
        self.pool.register_with_event_loop(self.hub)
        self.results: list[int] = []
        self.turn_until(lambda: len(self.pool._all_inqueues) == SLOTS)

    def put(self, text: str, seconds: float = 0.0) -> None:
        self.pool.apply_async(length, (text, seconds), callback=self.results.append)

    def turn_until(self, done: Any) -> None:
        until = time.monotonic() + 20
        while not done():
            assert time.monotonic() < until
            self.hub.run_once()


@pytest.fixture
def running() -> Iterator[Running]:
    made = Running()
    yield made
    made.pool.terminate()
    made.pool.join()
    set_event_loop(None)


def test_an_idle_child_has_its_message_before_the_loop_turns(running: Running) -> None:
    running.put("abc")

    assert not running.pool.outbound_buffer
    assert len(running.pool._busy_workers) == 1
    running.turn_until(lambda: running.results)
    assert running.results == [3]
    assert not running.pool._busy_workers


def test_messages_without_an_idle_child_wait_and_keep_their_order(running: Running) -> None:
    for text in ("", "a", "aa", "aaa", "aaaa"):
        running.put(text, 0.2)

    assert len(running.pool.outbound_buffer) == 5 - SLOTS
    running.turn_until(lambda: len(running.results) == 5)
    assert sorted(running.results) == [0, 1, 2, 3, 4]
    assert set(running.results[:2]) == {0, 1}


def test_a_message_that_is_larger_than_a_pipe_is_written_to_its_end(running: Running) -> None:
    running.put("x" * 3_000_000)
    running.put("y" * 3_000_001)

    running.turn_until(lambda: len(running.results) == 2)
    assert sorted(running.results) == [3_000_000, 3_000_001]


def test_nothing_is_taken_out_of_the_loop_that_is_not_in_it(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    taken: list[int] = []
    real = running.hub.poller.unregister
    monkeypatch.setattr(running.hub.poller, "unregister", lambda fd: (taken.append(fd), real(fd)))
    try:
        running.hub.remove_writer(writing)
        assert taken == []
        running.hub.add_writer(writing, print)
        running.hub.remove_writer(writing)
        assert taken == [writing]
        assert writing not in running.hub.writers
    finally:
        os.close(reading)
        os.close(writing)


def test_a_job_whose_child_dies_beside_another_is_lost_and_not_run_again(running: Running, tmp_path: Path) -> None:
    pool, notes, lost = running.pool, tmp_path / "notes", []
    for _ in range(SLOTS):
        pool.apply_async(note_and_hang, (str(notes),), error_callback=lost.append)
    until = time.monotonic() + 20
    # The pool's loop does not run, so it has not read yet that the jobs have begun.
    while not notes.exists() or len(notes.read_text().split()) < SLOTS:
        assert time.monotonic() < until
        time.sleep(0.01)
    noticed_first, other = (process.pid for process in pool._pool)
    flush = pool.process_flush_queues

    def other_dies_meanwhile(process: Any) -> None:
        flush(process)
        if process.pid == noticed_first:
            kill(other)

    pool.process_flush_queues = other_dies_meanwhile
    kill(noticed_first)
    # The worker's heartbeat does this too; here it comes before the loop has read any pipe.
    pool.maintain_pool()

    running.turn_until(lambda: len(lost) == SLOTS)

    assert len(notes.read_text().split()) == SLOTS
