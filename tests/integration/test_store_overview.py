"""The monitor's list: pages, counters that stop, where each process stands, and a search that reads a bounded number."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from store import overview
from store.database import Database
from store.events import COMPLETED, FAILED, AttemptKey, EventStore, NewEvent, Progress
from store.overview import COUNT_LIMIT, Filters, OverviewStore
from store.processes import CANCELLED, ERROR, OK, PENDING, Ending, NewProcess, ProcessStore
from tests.integration.conftest import Clock


def accept(database: Database, correlation_id: str, **named: Any) -> uuid.UUID:
    new = NewProcess(uuid.uuid4(), correlation_id, "hash", named.pop("key", "onboard-user"), {}, "trace", **named)
    assert ProcessStore(database).accept(new)
    return new.id


def ids(page: overview.Page) -> list[str]:
    return [row.correlation_id for row in page.rows]


def test_pages_follow_one_another_newest_first(database: Database) -> None:
    for number in range(7):
        accept(database, f"p{number}")
    store = OverviewStore(database)

    first = store.page(Filters(), limit=3)
    second = store.page(Filters(), limit=3, before_seq=first.next_before)
    third = store.page(Filters(), limit=3, before_seq=second.next_before)

    assert [ids(first), ids(second), ids(third)] == [["p6", "p5", "p4"], ["p3", "p2", "p1"], ["p0"]]
    assert third.next_before is None


def test_filters_narrow_the_list(database: Database, clock: Clock) -> None:
    old = accept(database, "old", key="loan")
    clock.advance(3600)
    accept(database, "new", key="loan")
    accept(database, "other")
    ProcessStore(database).settle(old, Ending(OK, result={}))
    store = OverviewStore(database)

    assert ids(store.page(Filters(status=OK), limit=9)) == ["old"]
    assert ids(store.page(Filters(process_key="loan"), limit=9)) == ["new", "old"]
    assert ids(store.page(Filters(started_before=clock.time), limit=9)) == ["old"]
    assert ids(store.page(Filters(started_after=clock.time, status=PENDING), limit=9)) == ["other", "new"]


def test_counters_count_each_status_and_leave_the_filter_by_status_out(database: Database) -> None:
    for number, status in enumerate([OK, OK, ERROR, CANCELLED, None]):
        row = accept(database, f"p{number}", key="loan" if number else "onboard-user")
        if status:
            ProcessStore(database).settle(row, Ending(status, error={"code": "X"}))
    store = OverviewStore(database)

    assert store.counts(Filters()) == {PENDING: 1, OK: 2, ERROR: 1, CANCELLED: 1}
    assert store.counts(Filters(status=OK, process_key="loan")) == {PENDING: 1, OK: 1, ERROR: 1, CANCELLED: 1}


def test_counters_stop_where_nobody_reads_on(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    assert COUNT_LIMIT == 1_000
    monkeypatch.setattr(overview, "COUNT_LIMIT", 3)
    for number in range(6):
        accept(database, f"p{number}")

    assert OverviewStore(database).counts(Filters())[PENDING] == 4


def test_standing_is_the_newest_attempt_and_how_often_it_was_tried(database: Database) -> None:
    events = EventStore(database)

    def attempt(process: str, task: str, token: str, step: str, phase: str | None) -> None:
        key = AttemptKey(task, token)
        events.begin(
            NewEvent("trace", step, correlation_id=process, external_task_id=task, lock_token=token), confirm=None
        )
        if phase:
            events.progress(key, Progress(phase))

    attempt("one", "task-1", "a", "validate", COMPLETED)
    attempt("one", "task-2", "b", "create", FAILED)
    attempt("one", "task-2", "c", "create", None)
    attempt("two", "task-3", "d", "validate", FAILED)
    events.record(NewEvent("trace", "retry", phase="ops", correlation_id="two"))

    assert OverviewStore(database).standings(["one", "two", "none"]) == {
        "one": overview.Standing("create", "started", 2),
        "two": overview.Standing("validate", FAILED, 1),
    }
    assert OverviewStore(database).standings([]) == {}


def test_search_finds_text_in_ids_and_identifiers_whatever_its_letters(database: Database) -> None:
    accept(database, "Order-17", identifiers={"customerId": "Müller & Co"})
    accept(database, "order-18", identifiers={"customerId": "100%_sure"})
    accept(database, "x")
    store = OverviewStore(database)

    def found(text: str) -> list[str]:
        return ids(store.page(Filters(text=text), limit=9))

    assert found("ORDER") == ["order-18", "Order-17"]
    assert found("ller &") == ["Order-17"]
    assert found("100%_") == ["order-18"]
    assert found("%") == ["order-18"]
    assert found("nothing") == []


def test_search_goes_on_where_it_stopped_and_finds_how_old_ids_begin_at_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "SEARCH_ROWS", 4)
    accept(database, "needle-1")
    accept(database, "hay-needle")
    for number in range(6):
        accept(database, f"p{number}")
    store = OverviewStore(database)

    first = store.page(Filters(text="needle"), limit=9)
    assert ids(first) == ["needle-1"]
    assert first.searched_to is not None

    second = store.page(Filters(text="needle"), limit=9, before_seq=first.next_before)
    assert ids(second) == ["hay-needle", "needle-1"]
    assert OverviewStore(database).page(Filters(text="needle"), limit=9, before_seq=2).next_before is None


def test_search_that_fills_a_page_goes_on_behind_it(database: Database) -> None:
    for number in range(5):
        accept(database, f"same-{number}")
    store = OverviewStore(database)

    first = store.page(Filters(text="ame-"), limit=2)
    second = store.page(Filters(text="ame-"), limit=2, before_seq=first.next_before)

    assert ids(first) + ids(second) == ["same-4", "same-3", "same-2", "same-1"]
