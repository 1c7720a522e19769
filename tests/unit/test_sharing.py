"""Pages with the same request at about the same time share one read of the database."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from app.monitor import sharing
from app.monitor.sharing import FRESH_S, Shared
from tests.support.api import eventually

#: seconds after which a test fails
PATIENCE_S = 20


class Clock:
    """A clock instead of `time.monotonic`."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(sharing, "time", clock)
    return clock


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One entry for each page that has begun to wait for another page's read."""
    came: list[None] = []

    class Counted(Future[int]):
        def result(self, timeout: float | None = None) -> int:
            came.append(None)
            return super().result(timeout)

    monkeypatch.setattr(sharing, "Future", Counted)
    return came


def test_ten_pages_at_once_are_one_read(waiting: list[None]) -> None:
    shared: Shared[int] = Shared()
    looks, may_end = [], threading.Event()

    def look() -> int:
        looks.append(1)
        assert may_end.wait(PATIENCE_S)
        return 7

    with ThreadPoolExecutor(10) as pool:
        pages = [pool.submit(shared.get, "1h", look) for _ in range(10)]
        eventually(lambda: len(waiting) == 9, PATIENCE_S, "nine that wait")
        may_end.set()
        assert [page.result(PATIENCE_S) for page in pages] == [7] * 10
    assert len(looks) == 1


def test_spans_do_not_wait_for_each_other() -> None:
    shared: Shared[str] = Shared()

    assert shared.get("1h", lambda: shared.get("24h", lambda: "inner") + " within") == "inner within"


def test_result_is_kept_while_it_is_fresh(clock: Clock) -> None:
    shared: Shared[int] = Shared()
    assert shared.get("1h", lambda: 1) == 1
    clock.now = FRESH_S - 0.1
    assert shared.get("1h", lambda: 2) == 1
    clock.now = FRESH_S
    assert shared.get("1h", lambda: 3) == 3


def test_result_of_a_slow_read_is_kept_longer(clock: Clock) -> None:
    shared: Shared[int] = Shared()

    def slow() -> int:
        clock.now = 2.0
        return 1

    assert shared.get("30d", slow) == 1
    clock.now = 41.9
    assert shared.get("30d", lambda: 2) == 1
    clock.now = 42.0
    assert shared.get("30d", lambda: 3) == 3


def test_failure_is_raised_for_all_that_wait_and_not_kept(waiting: list[None]) -> None:
    shared: Shared[int] = Shared()
    may_end = threading.Event()

    def fail() -> int:
        assert may_end.wait(PATIENCE_S)
        raise LookupError("away")

    with ThreadPoolExecutor(3) as pool:
        pages = [pool.submit(shared.get, "1h", fail) for _ in range(3)]
        eventually(lambda: len(waiting) == 2, PATIENCE_S, "two that wait")
        may_end.set()
        assert [str(page.exception(PATIENCE_S)) for page in pages] == ["away"] * 3
    assert shared.get("1h", lambda: 4) == 4
