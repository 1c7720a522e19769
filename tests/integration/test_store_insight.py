"""The charts' numbers are those of the rows, on both databases."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest

from store import insight
from store.database import Database
from store.events import COMPLETED, FAILED, AttemptKey, EventStore, NewEvent, Progress
from store.insight import BOUNDS_MS, Histogram, InsightStore
from store.processes import ERROR, OK, PENDING, Ending, NewProcess, ProcessStore
from tests.integration.conftest import Clock


def run(database: Database, clock: Clock, ending: Ending | None = None, *, for_s: float = 0) -> None:
    new = NewProcess(uuid.uuid4(), str(uuid.uuid4()), "hash", "loan", {}, "trace")
    assert ProcessStore(database).accept(new)
    clock.advance(for_s)
    if ending is not None:
        ProcessStore(database).settle(new.id, ending)


def test_each_part_of_the_span_has_its_starts_and_what_became_of_them(database: Database, clock: Clock) -> None:
    run(database, clock, Ending(OK, result={}))
    clock.advance(60)
    begin = clock.time
    run(database, clock, Ending(OK, result={}), for_s=0.3)
    run(database, clock, Ending(OK, result={}), for_s=30)
    clock.advance(30)
    run(database, clock, Ending(ERROR, error={"code": "X"}, incident_id="i"), for_s=1.5)
    run(database, clock)
    end = begin + timedelta(seconds=120)

    found = InsightStore(database).look(begin, end, parts=2, wait_ms=25_000)

    first, second = found.moments
    assert (first.starts, first.by_status[OK], first.in_time) == (2, 2, 1)
    assert (second.starts, second.by_status[ERROR], second.by_status[PENDING]) == (2, 1, 1)
    assert (second.on_incident, second.in_time) == (1, 1)
    assert found.waits.total == 3
    assert found.waits.below[BOUNDS_MS.index(200)] == 0
    assert found.waits.below[BOUNDS_MS.index(500)] == 1
    assert found.waits.below[BOUNDS_MS.index(2_000)] == 2
    assert found.waits.below[BOUNDS_MS.index(60_000)] == 3
    assert not found.is_cut


def test_steps_have_their_attempts_failures_and_durations(database: Database, clock: Clock) -> None:
    events = EventStore(database)

    def attempt(step: str, phase: str, ms: int | None) -> None:
        task = str(uuid.uuid4())
        events.begin(NewEvent("trace", step, process_name="Loan", external_task_id=task, lock_token="t"))
        events.progress(AttemptKey(task, "t"), Progress(phase, execution_time=ms))

    attempt("old", COMPLETED, 1)
    clock.advance(600)
    begin = clock.time
    for ms in (3, 8, 8, 400):
        attempt("check", COMPLETED, ms)
    attempt("check", FAILED, 30)
    attempt("pay", FAILED, None)
    clock.advance(600)
    attempt("new", COMPLETED, 1)

    found = InsightStore(database).look(begin, begin + timedelta(seconds=60), parts=1, wait_ms=1)

    check, pay = found.steps
    assert (check.process_name, check.step_name, check.attempts, check.failed) == ("Loan", "check", 5, 1)
    assert check.durations.total == 5
    assert check.durations.below[:6] == [1, 3, 3, 4, 4, 4]
    assert (pay.attempts, pay.failed, pay.durations.percentile(0.5)) == (1, 1, None)


def test_empty_store_has_nothing_to_show(database: Database, clock: Clock) -> None:
    found = InsightStore(database).look(clock.time, clock.time + timedelta(hours=1), parts=3, wait_ms=1)

    assert [moment.starts for moment in found.moments] == [0, 0, 0]
    assert found.steps == []


def test_more_rows_than_are_counted_are_said(database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(insight, "MOST_ROWS", 2)
    for _ in range(3):
        run(database, clock, Ending(OK, result={}))

    found = InsightStore(database).look(clock.time, clock.time + timedelta(hours=1), parts=1, wait_ms=1)

    assert found.is_cut
    assert found.moments[0].starts == 2


@pytest.mark.parametrize(("share", "expected"), [(0.25, 5.0), (0.5, 10.0), (0.75, 15.0), (1.0, 20.0)])
def test_percentiles_lie_between_the_bounds(share: float, expected: float) -> None:
    below = [1, 2, 4, *[4] * (len(BOUNDS_MS) - 3)]

    assert Histogram(4, below).percentile(share) == expected


def test_what_lies_above_every_bound_is_the_last() -> None:
    assert Histogram(1).percentile(0.5) == BOUNDS_MS[-1]
