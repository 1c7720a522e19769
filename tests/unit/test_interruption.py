"""Handlers in threads: interrupted at their time limit and at the end of their worker, given up when they hang."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tasks import interruption
from tasks.errors import GivenUp, TimeLimitPassed, WorkerEnds
from tasks.interruption import InterruptibleCalls

SOON_S = 20


def spin(for_s: float = SOON_S) -> None:
    """Run Python code, in which an exception can be raised."""
    until = time.monotonic() + for_s
    while time.monotonic() < until:
        time.sleep(0.001)


def in_thread(run: Callable[[], Any]) -> Any:
    """The result of a call in a thread of its own, or its exception."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(run).exception(SOON_S)


@pytest.fixture
def given_up() -> list[tuple[int, float]]:
    return []


@pytest.fixture
def calls(given_up: list[tuple[int, float]], monkeypatch: pytest.MonkeyPatch) -> InterruptibleCalls:
    monkeypatch.setattr(interruption, "PATIENCE_S", 0.2)
    return InterruptibleCalls(lambda thread_id, seconds: given_up.append((thread_id, seconds)))


def test_result_of_a_handler_within_its_limit_is_returned(calls: InterruptibleCalls) -> None:
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda it: calls.run(lambda: it, limit_s=SOON_S), range(200)))
    assert results == list(range(200))
    assert calls.stuck == 0


def test_handler_is_interrupted_at_its_limit_even_if_it_catches_exceptions(calls: InterruptibleCalls) -> None:
    def stubborn() -> None:
        while True:
            try:
                spin()
            except Exception:
                continue

    assert type(in_thread(lambda: calls.run(stubborn, limit_s=0.05))) is TimeLimitPassed


def test_only_the_handler_that_is_over_its_limit_is_interrupted(calls: InterruptibleCalls) -> None:
    with ThreadPoolExecutor(2) as threads:
        slow = threads.submit(calls.run, spin, limit_s=0.05)
        fine = threads.submit(calls.run, lambda: spin(0.5), limit_s=SOON_S)
        assert isinstance(slow.exception(SOON_S), TimeLimitPassed)
        assert fine.exception(SOON_S) is None


def test_thread_may_be_used_again_after_an_interruption(calls: InterruptibleCalls) -> None:
    with ThreadPoolExecutor(1) as threads:
        for _ in range(20):
            interrupted = threads.submit(calls.run, spin, limit_s=0.005)
            assert isinstance(interrupted.exception(SOON_S), TimeLimitPassed)
            assert threads.submit(calls.run, lambda: "fine", limit_s=SOON_S).result(SOON_S) == "fine"


def test_limit_that_passes_as_the_handler_ends_leaves_nothing_behind(calls: InterruptibleCalls) -> None:
    # Limits around the time that a handler takes: either outcome is right, and the next one is not interrupted.
    with ThreadPoolExecutor(1) as threads:
        for number in range(200):
            ended = threads.submit(calls.run, lambda: spin(0.003), limit_s=0.002 + number * 0.00002).exception(SOON_S)
            assert ended is None or isinstance(ended, TimeLimitPassed)
            assert threads.submit(calls.run, lambda: spin(0.001), limit_s=SOON_S).exception(SOON_S) is None


def test_thread_that_hangs_in_c_code_is_given_up_and_its_late_end_is_no_result(
    calls: InterruptibleCalls, given_up: list[tuple[int, float]]
) -> None:
    release = threading.Lock()
    release.acquire()

    def hang() -> str:
        # One call of C code.
        release.acquire()
        return "late"

    with ThreadPoolExecutor(1) as threads:
        hung = threads.submit(calls.run, hang, limit_s=0.05)
        until = time.monotonic() + SOON_S
        while not given_up and time.monotonic() < until:
            time.sleep(0.01)
        assert [seconds for _, seconds in given_up] == [0.05]
        assert calls.stuck == 1
        release.release()
        assert isinstance(hung.exception(SOON_S), GivenUp)
    assert calls.stuck == 0


def test_end_of_the_worker_interrupts_every_handler_and_lets_none_begin(calls: InterruptibleCalls) -> None:
    with ThreadPoolExecutor(3) as threads:
        running = [threads.submit(calls.run, spin, limit_s=SOON_S) for _ in range(3)]
        until = time.monotonic() + SOON_S
        while len(calls._calls) < 3 and time.monotonic() < until:
            time.sleep(0.01)
        calls.interrupt_all()
        assert [type(one.exception(SOON_S)) for one in running] == [WorkerEnds] * 3
        assert isinstance(threads.submit(calls.run, spin, limit_s=SOON_S).exception(SOON_S), WorkerEnds)


def test_watcher_survives_an_error_of_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "PATIENCE_S", 0.05)

    def fail(thread_id: int, seconds: float) -> None:
        raise RuntimeError("no pool")

    calls, release = InterruptibleCalls(fail), threading.Event()
    with ThreadPoolExecutor(2) as threads:
        # `Event.wait` without a time-out is one call of C code.
        hung = threads.submit(calls.run, release.wait, limit_s=0.01)
        until = time.monotonic() + SOON_S
        while calls.stuck == 0 and time.monotonic() < until:
            time.sleep(0.01)
        assert isinstance(threads.submit(calls.run, spin, limit_s=0.05).exception(SOON_S), TimeLimitPassed)
        release.set()
        assert isinstance(hung.exception(SOON_S), GivenUp)
