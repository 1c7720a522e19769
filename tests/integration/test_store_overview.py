"""The monitor's list: pages, counters that stop, the present step of each process, and a bounded search."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from store import overview
from store.database import Database
from store.event_rows import COMPLETED, FAILED, AttemptKey, NewEvent, Progress
from store.events import EventStore
from store.overview import COUNT_LIMIT, Filters, OverviewStore
from store.process_rows import CANCELLED, ERROR, OK, PENDING, STATUSES, Ending, NewProcess
from store.processes import ProcessStore
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


def test_status_that_changes_between_pages_repeats_no_row_and_loses_no_other(database: Database) -> None:
    rows = [accept(database, f"p{number}") for number in range(6)]
    store, processes = OverviewStore(database), ProcessStore(database)
    filters = Filters(status=PENDING)

    first = store.page(filters, limit=2)
    processes.settle(rows[5], Ending(OK, result={}))
    processes.settle(rows[3], Ending(OK, result={}))
    accept(database, "new")
    second = store.page(filters, limit=2, before_seq=first.next_before)
    third = store.page(filters, limit=2, before_seq=second.next_before)

    assert [ids(first), ids(second), ids(third)] == [["p5", "p4"], ["p2", "p1"], ["p0"]]
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


def by_status(counts: dict[str, int]) -> dict[str, int]:
    return {status: counts[status] for status in STATUSES}


def test_counters_count_each_status_and_leave_the_filter_by_status_out(database: Database) -> None:
    for number, status in enumerate([OK, OK, ERROR, CANCELLED, None]):
        row = accept(database, f"p{number}", key="loan" if number else "onboard-user")
        if status:
            ProcessStore(database).settle(row, Ending(status, error={"code": "X"}))
    store = OverviewStore(database)

    assert by_status(store.counts(Filters())) == {PENDING: 1, OK: 2, ERROR: 1, CANCELLED: 1}
    assert by_status(store.counts(Filters(status=OK, process_key="loan"))) == {
        PENDING: 1,
        OK: 1,
        ERROR: 1,
        CANCELLED: 1,
    }


def test_counters_stop_at_their_limit(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    assert COUNT_LIMIT == 1_000
    monkeypatch.setattr(overview, "COUNT_LIMIT", 3)
    for number in range(6):
        accept(database, f"p{number}")

    assert OverviewStore(database).counts(Filters())[PENDING] == 4


def test_present_step_is_the_newest_attempt_and_how_often_it_was_tried(database: Database) -> None:
    events = EventStore(database)
    accept(database, "one")
    accept(database, "two")
    accept(database, "none")

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


def found(database: Database, text: str, **filters: Any) -> list[str]:
    return ids(OverviewStore(database).page(Filters(text=text, **filters), limit=9))


def test_search_finds_text_in_ids_and_identifiers(database: Database) -> None:
    accept(database, "Order-17", identifiers={"customerId": "Müller & Co", "orderId": 4711})
    accept(database, "order-18", identifiers={"customerId": 'the "old" one'})
    accept(database, "x")

    assert found(database, "rder-1") == ["order-18", "Order-17"]
    assert found(database, "ller &") == ["Order-17"]
    assert found(database, "471") == ["Order-17"]
    assert found(database, 'the "old"') == ["order-18"]
    assert found(database, "nothing") == []


def test_search_does_not_match_the_names_of_identifiers(database: Database) -> None:
    accept(database, "a", identifiers={"customerId": "1", "userId": "2"})
    accept(database, "b", identifiers={"customerId": "the userId of another"})

    assert found(database, "userId") == ["b"]
    assert found(database, "customerId") == []
    assert found(database, '":"') == []


def test_search_ignores_the_case_of_ascii_letters_only(database: Database) -> None:
    accept(database, "Order-17", identifiers={"customerId": "MÜLLER & Co"})

    assert found(database, "oRDER") == ["Order-17"]
    assert found(database, "mÜller & cO") == ["Order-17"]
    assert found(database, "müller") == []
    assert found(database, "Muller") == []


@pytest.mark.parametrize("text", ["%", "_", "[", "/", "[a-z]", "100%_", "50/50"])
def test_nothing_in_a_search_is_a_wildcard(database: Database, text: str) -> None:
    accept(database, "has-it", identifiers={"customerId": f"here {text} is"})
    accept(database, "has-not", identifiers={"customerId": "abc"})

    assert found(database, text) == ["has-it"]


def test_search_continues_where_it_stopped_and_finds_old_ids_by_their_beginning_at_once(
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


def test_old_ids_are_found_by_their_beginning_among_so_many_of_them(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "SEARCH_ROWS", 1)
    monkeypatch.setattr(overview, "PREFIX_LOOKED_AT", 2)
    for number in range(4):
        accept(database, f"needle-{number}", key="loan" if number == 3 else "onboard-user")
    accept(database, "p", key="loan")

    assert found(database, "needle") == ["needle-1", "needle-0"]
    # With a filter by process, ids are not searched by their beginning among all processes.
    assert found(database, "needle", process_key="loan") == []
    assert found(database, "needle-3", process_key="loan") == ["needle-3"]


def test_search_that_fills_a_page_goes_on_behind_it(database: Database) -> None:
    for number in range(5):
        accept(database, f"same-{number}")
    store = OverviewStore(database)

    first = store.page(Filters(text="ame-"), limit=2)
    second = store.page(Filters(text="ame-"), limit=2, before_seq=first.next_before)

    assert ids(first) + ids(second) == ["same-4", "same-3", "same-2", "same-1"]
