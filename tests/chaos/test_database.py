"""An unavailable database: starts are refused, no handler begins, and finished handlers wait."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.stack import Stack
from tests.chaos.conftest import Load, MakeStack
from tests.support.accounting import attempts, check_consistency
from tests.support.api import Api, eventually


@contextmanager
def _taken(stack: Stack) -> Iterator[None]:
    """Lock the database so that no other process can write."""
    path = stack.environment.get("DATABASE_URL").removeprefix("sqlite:///")
    holder = sqlite3.connect(path, timeout=20, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        holder.execute("ROLLBACK")
        holder.close()


def test_start_is_refused_within_3_seconds_and_nothing_is_written(make_stack: MakeStack) -> None:
    stack = make_stack()
    api = Api(stack.url)

    with _taken(stack):
        answer = api.start("five-steps", {}, "refused")

    assert answer.status == 503
    assert answer.seconds < 3
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.body["type"] == "/problems/database-away"
    assert int(answer.headers["retry-after"]) >= 1
    assert api.status("refused").status == 404


def test_finished_handler_waits_for_the_database_and_does_not_run_again(make_stack: MakeStack, tmp_path: Path) -> None:
    stack = make_stack()
    api = Api(stack.url)
    notes, go = tmp_path / "notes", tmp_path / "go"
    load = Load(api, "probe", {"do": "hold", "until": str(go), "notes": str(notes)}, 3)
    eventually(lambda: len(attempts(notes)) == 3)

    with _taken(stack):
        go.touch()
        eventually(lambda: len(attempts(notes, "end")) == 3)
        # longer than the lock of 3 s, which the worker extends
        log = stack["worker"]
        eventually(lambda: log.is_running)
        _wait(5)

    assert {answer.status for answer in load.answers()} == {200}
    assert set(attempts(notes).values()) == {1}
    check_consistency(stack, api, load.ids, "probe")


def _wait(seconds: float) -> None:
    import time

    end = time.monotonic() + seconds
    eventually(lambda: time.monotonic() >= end)
