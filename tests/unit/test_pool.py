"""The worker's pool of threads: the loop does the books, each task ends once, and a hanging thread loses its slot."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from billiard.exceptions import TimeLimitExceeded
from kombu.asynchronous import Hub, set_event_loop

from tasks.worker.pool import TaskPool

SLOTS = 3
#: seconds within which everything here happens, even on a busy machine
SOON_S = 20


class Running:
    """A pool in an event loop of its own."""

    def __init__(self) -> None:
        self.hub = Hub()
        set_event_loop(self.hub)
        self.pool = TaskPool(SLOTS)
        self.pool.start()
        self.pool.register_with_event_loop(self.hub)
        self.accepted: list[int] = []
        self.results: list[Any] = []
        self.errors: list[Any] = []
        #: the threads in which the worker's books were kept
        self.bookkeepers: set[threading.Thread] = set()

    def put(self, run: Callable[..., Any], *args: Any) -> Any:
        return self.pool.apply_async(
            run,
            args,
            accept_callback=lambda pid, _: self.accepted.append(pid),
            callback=lambda result: self._note(self.results, result),
            error_callback=lambda error: self._note(self.errors, error),
        )

    def _note(self, into: list[Any], what: Any) -> None:
        self.bookkeepers.add(threading.current_thread())
        into.append(what)

    def turn_until(self, done: Callable[[], bool]) -> None:
        until = time.monotonic() + SOON_S
        # Something must wake the loop when nothing happens.
        timer = self.hub.timer.call_repeatedly(0.5, lambda: None)
        while not done():
            assert time.monotonic() < until
            self.hub.run_once()
        timer.cancel()


@pytest.fixture
def running() -> Iterator[Running]:
    made = Running()
    yield made
    made.pool.stop()
    set_event_loop(None)


def test_loop_keeps_the_books_of_every_task(running: Running) -> None:
    for number in range(20):
        running.put(lambda it: it, number)

    running.turn_until(lambda: len(running.results) == 20)

    assert sorted(running.results) == list(range(20))
    assert len(running.accepted) == 20
    assert running.bookkeepers == {threading.current_thread()}


def test_end_of_a_task_wakes_the_loop(running: Running) -> None:
    go = threading.Event()
    running.put(go.wait, SOON_S)
    threading.Timer(0.05, go.set).start()

    # Nothing else would wake it.
    until = time.monotonic() + SOON_S
    while not running.results and time.monotonic() < until:
        running.hub.run_once()
    assert running.results == [True]


def test_as_many_tasks_as_slots_run_at_once(running: Running) -> None:
    meeting = threading.Barrier(SLOTS)
    for _ in range(SLOTS):
        running.put(meeting.wait, SOON_S)

    running.turn_until(lambda: len(running.results) == SLOTS)

    assert sorted(running.results) == list(range(SLOTS))
    assert running.pool.num_processes == SLOTS


def test_exception_that_celery_does_not_catch_ends_the_task_and_not_the_thread(running: Running) -> None:
    def leave() -> None:
        raise SystemExit(3)

    job = running.put(leave)
    running.turn_until(lambda: bool(running.errors))

    assert (job.ready(), job.has_raised) == (True, True)
    assert running.errors[0].type is SystemExit
    running.put(lambda: "next")
    running.turn_until(lambda: running.results == ["next"])


def test_hanging_thread_loses_its_task_and_its_slot(running: Running) -> None:
    hang, ids = threading.Event(), []

    def hanging() -> str:
        ids.append(threading.get_ident())
        hang.wait(SOON_S)
        return "too late"

    running.put(hanging)
    running.turn_until(lambda: bool(ids))
    assert running.pool.give_up(ids[0], TimeLimitExceeded(3))
    running.turn_until(lambda: bool(running.errors))
    assert running.errors[0].type is TimeLimitExceeded
    assert not running.pool.give_up(ids[0], TimeLimitExceeded(3))

    # Every slot is there, beside the thread that hangs.
    meeting = threading.Barrier(SLOTS)
    for _ in range(SLOTS):
        running.put(meeting.wait, SOON_S)
    running.turn_until(lambda: len(running.results) == SLOTS)
    hang.set()
    running.put(lambda: "done")
    running.turn_until(lambda: "done" in running.results)
    assert "too late" not in running.results


def test_pool_that_stops_finishes_what_runs(running: Running) -> None:
    go = threading.Event()
    running.put(go.wait, SOON_S)
    threading.Timer(0.1, go.set).start()

    running.pool.stop()

    assert running.results == [True]


def test_results_of_interrupted_steps_are_kept_from_the_worker(running: Running) -> None:
    running.pool.hold()
    job = running.put(lambda: "ended")
    until = time.monotonic() + SOON_S
    while not job.ready() and time.monotonic() < until:
        time.sleep(0.01)
    running.pool.collect()

    assert (job.ready(), running.results) == (True, [])
    running.pool._is_held = False
    running.pool.collect()
    assert running.results == ["ended"]
