"""The lock keeper extends held locks after half of their time, and no other locks."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from contextvars import ContextVar

import pytest

from camunda_bridge import locks
from camunda_bridge.errors import EngineRefused, EngineUnavailable, LockLost
from camunda_bridge.locks import LockKeeper, new_token

#: length of a lock in these tests, in milliseconds
LOCK_MS = 80
#: seconds that a test waits for the keeper's thread
PATIENCE_S = 10


class Extend:
    """An extension function instead of the engine's: records each call, and raises the set errors."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, float]] = []
        self.errors: dict[str, list[Exception]] = {}

    def __call__(self, task_id: str, token: str) -> None:
        self.calls.append((task_id, token, time.monotonic()))
        if errors := self.errors.get(task_id):
            raise errors.pop(0) if len(errors) > 1 else errors[0]

    def count(self, task_id: str = "task") -> int:
        return sum(called == task_id for called, _, _ in self.calls)


@pytest.fixture
def extend() -> Extend:
    return Extend()


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true"
        time.sleep(0.002)


def test_tokens_differ_and_name_the_host() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert max(len(token) for token in tokens) <= 128


def test_held_lock_is_extended_again_and_again(extend: Extend) -> None:
    with LockKeeper(extend, LOCK_MS).holding("task", "token", since=time.monotonic()):
        eventually(lambda: extend.count() >= 5)
    assert {(task, token) for task, token, _ in extend.calls} == {("task", "token")}


def test_lock_is_extended_before_it_expires(extend: Extend) -> None:
    since = time.monotonic()
    with LockKeeper(extend, 1_000).holding("task", "token", since=since):
        eventually(lambda: extend.count() >= 1)
    assert 0.4 < extend.calls[0][2] - since < 0.9


def test_lock_of_which_half_has_passed_is_extended_at_once(extend: Extend) -> None:
    begun = time.monotonic()
    with LockKeeper(extend, 60_000).holding("task", "token", since=begun - 31):
        eventually(lambda: extend.count() == 1)
    assert time.monotonic() - begun < PATIENCE_S


def test_short_step_costs_no_extension(extend: Extend) -> None:
    keeper = LockKeeper(extend, 60_000)
    for _ in range(100):
        with keeper.holding("task", "token", since=time.monotonic()) as is_lost:
            assert not is_lost()
    assert extend.calls == []


def test_lock_is_not_extended_after_its_release(extend: Extend) -> None:
    keeper = LockKeeper(extend, LOCK_MS)
    with keeper.holding("task", "token", since=time.monotonic()):
        eventually(lambda: extend.count() >= 1)
    with keeper.holding("other", "token", since=time.monotonic()):
        before = extend.count()
        eventually(lambda: extend.count("other") >= 5)
    # at most the extension that was under way when the lock was released
    assert extend.count() <= before + 1


def test_lock_is_released_when_the_handler_raises(extend: Extend) -> None:
    keeper = LockKeeper(extend, 60_000)
    with pytest.raises(RuntimeError), keeper.holding("task", "token", since=time.monotonic()):
        raise RuntimeError
    assert keeper._held == {}


def test_lost_lock_is_reported_and_not_extended_again(extend: Extend) -> None:
    extend.errors["task"] = [LockLost("another's")]
    keeper = LockKeeper(extend, LOCK_MS)
    with ExitStack() as stack:
        is_lost = stack.enter_context(keeper.holding("task", "token", since=time.monotonic()))
        is_other_lost = stack.enter_context(keeper.holding("other", "token", since=time.monotonic()))
        eventually(is_lost)
        eventually(lambda: extend.count("other") >= 5)
        assert extend.count() == 1
        assert not is_other_lost()


def test_loss_is_of_one_token_only(extend: Extend) -> None:
    extend.errors["task"] = [LockLost("another's")]
    keeper = LockKeeper(extend, LOCK_MS)
    with keeper.holding("task", "first", since=time.monotonic()) as is_lost:
        eventually(is_lost)
    extend.errors.clear()
    with keeper.holding("task", "second", since=time.monotonic()) as is_lost:
        eventually(lambda: extend.count() >= 3)
        assert not is_lost()


@pytest.mark.parametrize(
    "error", [EngineUnavailable("away"), EngineRefused("suspended"), ValueError("a fault of ours")]
)
def test_extension_that_fails_is_tried_again_sooner(extend: Extend, error: Exception) -> None:
    extend.errors["task"] = [error]
    begun = time.monotonic()
    with LockKeeper(extend, 800).holding("task", "token", since=begun - 0.4) as is_lost:
        # The first comes at once, the next ones after an eighth of half a lock: long before the lock expires.
        eventually(lambda: extend.count() >= 3)
        assert extend.calls[2][2] - begun < 0.8
        assert not is_lost()


def keeper_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "lock-keeper"}


def test_many_locks_are_held_by_one_thread(extend: Extend) -> None:
    keeper = LockKeeper(extend, LOCK_MS)
    # Only the keepers' threads: threads of other tests begin and end in the same time.
    before = keeper_threads()
    with ExitStack() as stack:
        for number in range(50):
            stack.enter_context(keeper.holding(f"task-{number}", "token", since=time.monotonic()))
        eventually(lambda: all(extend.count(f"task-{number}") >= 2 for number in range(50)))
        assert len(keeper_threads() - before) == 1


def test_keeper_that_slept_wakes_for_the_next_lock(extend: Extend) -> None:
    keeper = LockKeeper(extend, LOCK_MS)
    for round_number in range(1, 4):
        with keeper.holding("task", f"token-{round_number}", since=time.monotonic()):
            target = extend.count() + 2
            eventually(lambda target=target: extend.count() >= target)  # type: ignore[misc]
        eventually(lambda: not keeper._wake.is_set())


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (LockLost("another's"), "lock lost"),
        (EngineUnavailable("no answer"), "lock not extended"),
        (RuntimeError("a fault"), "lock not extended because of an unexpected error"),
    ],
)
def test_lines_and_calls_of_an_extension_are_about_the_step_that_holds_the_lock(
    extend: Extend, caplog: pytest.LogCaptureFixture, error: Exception, line: str
) -> None:
    about: ContextVar[str] = ContextVar("about", default="nobody")
    called: list[tuple[str, str]] = []
    written: list[tuple[str, str]] = []

    def extend_lock(task_id: str, token: str) -> None:
        called.append((task_id, about.get()))
        extend(task_id, token)

    def note(record: logging.LogRecord) -> bool:
        written.append((record.getMessage(), about.get()))
        return True

    keeper = LockKeeper(extend_lock, LOCK_MS)
    extend.errors["second"] = [error]
    caplog.set_level(logging.INFO, logger=locks.__name__)
    locks.log.addFilter(note)
    try:
        with ExitStack() as stack:
            for name in ("first", "second"):
                about.set(name)
                stack.enter_context(keeper.holding(name, "token", since=time.monotonic()))
            about.set("third")
            eventually(lambda: extend.count("first") >= 2 and bool(written))
    finally:
        locks.log.removeFilter(note)
    assert set(called) == {("first", "first"), ("second", "second")}
    assert {who for text, who in written if text.startswith(line)} == {"second"}
