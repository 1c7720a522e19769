"""The numbers of the charts agree with the rows, on both databases."""

from __future__ import annotations

import math
import uuid
from datetime import timedelta

import pytest

from store import insight
from store.database import Database
from store.event_rows import COMPLETED, FAILED, AttemptKey, NewEvent, Progress
from store.events import EventStore
from store.histogram import BOUNDS_MS, Histogram
from store.insight import Insight, InsightStore
from store.process_rows import ERROR, OK, PENDING, Ending, NewProcess
from store.processes import ProcessStore
from tests.integration.conftest import Clock


def run(database: Database, clock: Clock, ending: Ending | None = None, *, for_s: float = 0) -> None:
    new = NewProcess(uuid.uuid4(), str(uuid.uuid4()), "hash", "loan", {}, "trace")
    assert ProcessStore(database).accept(new)
    clock.advance(for_s)
    if ending is not None:
        ProcessStore(database).settle(new.id, ending)


def test_each_part_of_the_span_has_its_starts_and_their_ends(database: Database, clock: Clock) -> None:
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
    assert waits(found) == {500: 1, 2_000: 1, 60_000: 1}
    assert not found.are_processes_cut


def waits(found: Insight) -> dict[float, int]:
    """The number of processes that took at most so many milliseconds, and more than the bound before."""
    bounds = [*BOUNDS_MS, math.inf]
    return {bound: count for bound, count in zip(bounds, found.waits.counts, strict=True) if count}


def test_process_that_may_still_end_in_time_is_not_late(database: Database, clock: Clock) -> None:
    begin = clock.time
    run(database, clock)
    clock.advance(20)
    run(database, clock)
    run(database, clock, Ending(OK, result={}), for_s=6)

    (found,) = InsightStore(database).look(begin, begin + timedelta(hours=1), parts=1, wait_ms=25_000).moments

    assert (found.starts, found.in_time, found.late, found.undecided) == (3, 1, 1, 1)


def test_process_that_took_longer_than_a_request_waits_is_late(database: Database, clock: Clock) -> None:
    begin = clock.time
    run(database, clock, Ending(OK, result={}), for_s=25)
    run(database, clock, Ending(OK, result={}), for_s=25.001)

    (found,) = InsightStore(database).look(begin, begin + timedelta(hours=1), parts=1, wait_ms=25_000).moments

    assert (found.in_time, found.late, found.undecided) == (1, 1, 0)


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
    assert check.durations.counts[:8] == [1, 2, 0, 1, 0, 0, 1, 0]
    assert (pay.attempts, pay.failed, pay.durations.percentile(0.5)) == (1, 1, None)


def test_empty_store_has_nothing_to_show(database: Database, clock: Clock) -> None:
    found = InsightStore(database).look(clock.time, clock.time + timedelta(hours=1), parts=3, wait_ms=1)

    assert [moment.starts for moment in found.moments] == [0, 0, 0]
    assert found.steps == []


def test_more_rows_than_are_counted_are_reported(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(insight, "MOST_PROCESSES", 2)
    for _ in range(3):
        run(database, clock, Ending(OK, result={}))

    found = InsightStore(database).look(clock.time, clock.time + timedelta(hours=1), parts=1, wait_ms=1)

    assert (found.are_processes_cut, found.are_steps_cut) == (True, False)
    assert found.moments[0].starts == 2


def test_events_of_a_span_are_found_along_their_key(database: Database, clock: Clock) -> None:
    events = EventStore(database)
    begun = clock.time
    for number in range(40):
        task = str(uuid.uuid4())
        events.begin(NewEvent("trace", f"s{number}", external_task_id=task, lock_token="t"))
        events.progress(AttemptKey(task, "t"), Progress(COMPLETED, execution_time=1))
        clock.advance(300)

    def steps(first: int, last: int) -> set[str]:
        begin, end = (begun + timedelta(seconds=300 * number - 1) for number in (first, last))
        return {step.step_name for step in InsightStore(database).look(begin, end, parts=1, wait_ms=1).steps}

    assert steps(0, 40) == {f"s{number}" for number in range(40)}
    assert steps(7, 10) == {"s7", "s8", "s9"}
    assert steps(39, 50) == {"s39"}
    assert steps(-5, 1) == {"s0"}
    assert steps(41, 50) == steps(-9, 0) == set()


@pytest.mark.parametrize(("share", "expected"), [(0.25, 5.0), (0.5, 10.0), (0.75, 15.0), (1.0, 20.0)])
def test_percentiles_lie_between_the_bounds(share: float, expected: float) -> None:
    assert Histogram([1, 1, 2, *[0] * (len(BOUNDS_MS) - 2)]).percentile(share) == expected


def test_values_above_every_bound_have_no_percentile(database: Database, clock: Clock) -> None:
    begin = clock.time
    run(database, clock, Ending(OK, result={}), for_s=0.004)
    run(database, clock, Ending(OK, result={}), for_s=2 * 3600)

    found = InsightStore(database).look(begin, begin + timedelta(hours=1), parts=1, wait_ms=1)

    assert waits(found) == {5: 1, math.inf: 1}
    assert found.waits.percentile(0.5) == 5.0
    assert found.waits.percentile(0.9) == math.inf
    assert Histogram().percentile(0.5) is None
