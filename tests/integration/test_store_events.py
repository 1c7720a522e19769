"""The event log: one row an attempt, closed once, in order."""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import fields
from typing import Any

import pytest

from store.database import Database
from store.event_rows import (
    BPMN_ERROR,
    COMPLETED,
    COMPLETING,
    FAILED,
    LOST,
    OPS,
    STARTED,
    AttemptKey,
    EventRow,
    NewEvent,
    Progress,
)
from store.events import EventStore
from store.events import close as close_within
from store.retrying import retrying
from tests.integration.conftest import Clock
from tests.integration.threads import together


@pytest.fixture
def store(database: Database) -> EventStore:
    return EventStore(database)


def attempt(task: str = "task-1", token: str = "token-1", **values: Any) -> NewEvent:
    given = {"traceability_id": "trace", "step_name": "step", "external_task_id": task, "lock_token": token, **values}
    return NewEvent(**given)


def all_of(store: EventStore) -> list[EventRow]:
    return store.by_traceability_id("trace")


def phases(store: EventStore) -> list[str]:
    return [row.phase for row in all_of(store)]


def test_event_holds_what_was_given(store: EventStore, clock: Clock) -> None:
    event = attempt(
        batch_id="b",
        application_id="a",
        correlation_id="order-1",
        process_instance_id="pi",
        target_system="Zielsystem ü",
        originating_system="origin",
        process_name="过程",
        step=3,
        business_action_request={"emoji": "🛒", "null": None},
        business_action_response=[1, None],
        identifiers={"userId": "u"},
        result="good",
        http_status_code=201,
        http_method="POST",
        endpoint="/x",
        metadata={"m": 1},
        error_details="trace\n" * 10_000,
        last_update_id="l",
        actor="ops",
        execution_id=uuid.uuid4(),
    )
    assert store.begin(event) == []
    (row,) = all_of(store)
    for item in fields(event):
        assert getattr(row, item.name) == getattr(event, item.name), item.name
    assert row.created_at == row.updated_at == clock.time.replace(microsecond=123_000)
    assert row.execution_time is None


def test_a_megabyte_of_values_comes_back(store: EventStore) -> None:
    request = {"text": "你" * 500_000}
    store.begin(attempt(business_action_request=request))
    assert all_of(store)[0].business_action_request == request


def test_same_attempt_begins_once(store: EventStore) -> None:
    assert store.begin(attempt()) == []
    assert store.begin(attempt()) is None
    assert phases(store) == [STARTED]


def test_one_of_20_simultaneous_messages_of_an_attempt_begins(store: EventStore) -> None:
    begun = together(20, lambda _: store.begin(attempt()))
    assert [answer for answer in begun if answer is not None] == [[]]
    assert phases(store) == [STARTED]


def test_20_attempts_of_one_task_leave_one_open(store: EventStore) -> None:
    begun = together(20, lambda index: store.begin(attempt(token=f"token-{index}")))
    assert sorted(len(earlier) for earlier in begun if earlier is not None) == list(range(20))
    assert sorted(phases(store)) == [LOST] * 19 + [STARTED]


def test_tasks_that_begin_at_once_all_begin_and_confirm_the_one_before(store: EventStore) -> None:
    # In a small table, SQL Server's range locks of one attempt may cover the row that another attempt confirms.
    for number in range(20):
        store.begin(attempt(f"before-{number}"))

    def begin(number: int) -> object:
        return store.begin(attempt(f"task-{number}"), confirm=AttemptKey(f"before-{number}", "token-1"))

    assert together(20, begin) == [[]] * 20
    assert sorted(phases(store)) == [COMPLETED] * 20 + [STARTED] * 20


def test_of_8_reconcilers_each_locks_other_attempts(store: EventStore, clock: Clock) -> None:
    for number in range(40):
        store.begin(attempt(f"task-{number}"))
    clock.advance(40)

    def take(_: int) -> list[str | None]:
        rows = retrying(lambda: store.claim_open_attempts(untouched_for_s=30, limit=5), for_s=30)
        return [row.external_task_id for row in rows]

    taken = [one for some in together(8, take) for one in some]
    while more := take(0):
        taken += more
    assert sorted(str(one) for one in taken) == sorted(f"task-{number}" for number in range(40))


def test_texts_that_are_shown_are_cut_to_their_columns(store: EventStore) -> None:
    store.begin(
        attempt(process_name="😀" * 101, target_system="x" * 201, endpoint="é" * 1_000, step_name="a" + "😀" * 100)
    )
    store.progress(AttemptKey("task-1", "token-1"), Progress(FAILED, result="😀" * 501))
    (row,) = all_of(store)
    assert (row.process_name, row.target_system) == ("😀" * 100, "x" * 200)
    assert (row.endpoint, row.step_name, row.result) == ("é" * 1_000, "a" + "😀" * 99, "😀" * 500)


def test_tokens_and_tasks_are_compared_exactly(store: EventStore) -> None:
    for task, token in (("task", "token"), ("Task", "token"), ("task", "Token"), ("task", " token")):
        assert store.begin(attempt(task, token)) is not None


def test_new_attempt_gets_the_outcomes_of_earlier_ones(store: EventStore) -> None:
    store.begin(attempt(token="1"))
    store.progress(AttemptKey("task-1", "1"), Progress(FAILED, {"message": "no"}))
    store.begin(attempt(token="2"))
    store.begin(attempt("task-2", token="3"))
    store.begin(attempt(token="4"))
    store.progress(AttemptKey("task-1", "4"), Progress(COMPLETING, {"n": 1}, {"userId": "u"}, metadata={"m": None}))
    earlier = store.begin(attempt(token="5"))
    assert earlier is not None
    assert [(one.lock_token, one.phase, one.business_action_response) for one in earlier] == [
        ("1", FAILED, {"message": "no"}),
        ("2", LOST, None),
        ("4", COMPLETING, {"n": 1}),
    ]
    assert (earlier[2].identifiers, earlier[2].metadata) == ({"userId": "u"}, {"m": None})


def test_new_attempt_makes_open_ones_of_its_task_lost(store: EventStore) -> None:
    store.begin(attempt(token="1"))
    store.progress(AttemptKey("task-1", "1"), Progress(COMPLETED))
    store.begin(attempt(token="2"))
    store.begin(attempt("task-2", "3"))
    store.begin(attempt(token="4"))
    assert [(row.lock_token, row.phase) for row in all_of(store)] == [
        ("1", COMPLETED),
        ("2", LOST),
        ("3", STARTED),
        ("4", STARTED),
    ]


def test_lost_attempt_keeps_its_stored_output(store: EventStore) -> None:
    store.begin(attempt(token="1"))
    store.progress(AttemptKey("task-1", "1"), Progress(COMPLETING, {"n": 1}))
    store.begin(attempt(token="2"))
    assert (all_of(store)[0].phase, all_of(store)[0].business_action_response) == (LOST, {"n": 1})


def test_beginning_confirms_the_attempt_before(store: EventStore) -> None:
    store.begin(attempt("task-1", "1"))
    store.progress(AttemptKey("task-1", "1"), Progress(COMPLETING, {}))
    store.begin(attempt("task-2", "2"), confirm=AttemptKey("task-1", "1"))
    assert phases(store) == [COMPLETED, STARTED]


def test_another_attempt_of_a_task_confirms_the_one_before_the_task(store: EventStore) -> None:
    store.begin(attempt("task-1", "1"))
    store.begin(attempt("task-2", "2"))
    (earlier,) = store.begin(attempt("task-2", "3"), confirm=AttemptKey("task-1", "1")) or []
    assert earlier.lock_token == "2"
    assert phases(store) == [COMPLETED, LOST, STARTED]


def test_duplicate_message_confirms_nothing_and_loses_nothing(store: EventStore) -> None:
    store.begin(attempt("task-1", "1"))
    store.begin(attempt("task-2", "2"))
    store.begin(attempt("task-2", "3"))
    assert store.begin(attempt("task-2", "2"), confirm=AttemptKey("task-1", "1")) is None
    assert phases(store) == [STARTED, LOST, STARTED]


def test_progress_is_written_once_open(store: EventStore, clock: Clock) -> None:
    store.begin(attempt())
    key = AttemptKey("task-1", "token-1")
    clock.advance(2)
    progress = Progress(COMPLETING, {"a": 1}, {"userId": "u"}, "good", 200, {"m": 1}, "details", 1234)
    assert store.progress(key, progress)
    (row,) = all_of(store)
    # The values for a redelivery, or for the end of the process, are in no row that is read for other purposes.
    for item in [item for item in fields(progress) if item.name not in ("kept_outcome", "process_status")]:
        assert getattr(row, item.name) == getattr(progress, item.name), item.name
    assert (row.updated_at - row.created_at).total_seconds() == 2


@pytest.mark.parametrize("last", [COMPLETED, FAILED, LOST, BPMN_ERROR])
def test_resolved_attempt_does_not_change_any_more(store: EventStore, last: str) -> None:
    store.begin(attempt())
    key = AttemptKey("task-1", "token-1")
    assert store.close(key, last)
    assert not store.close(key, COMPLETED)
    assert not store.progress(key, Progress(COMPLETING, {"late": True}))
    (row,) = all_of(store)
    assert (row.phase, row.business_action_response) == (last, None)


def test_one_of_20_simultaneous_closings_wins(store: EventStore) -> None:
    store.begin(attempt())
    assert sum(together(20, lambda _: store.close(AttemptKey("task-1", "token-1"), COMPLETED))) == 1


def test_unknown_attempt_cannot_be_closed(store: EventStore) -> None:
    store.begin(attempt())
    assert not store.close(AttemptKey("task-1", "other"), COMPLETED)
    assert not store.progress(AttemptKey("other", "token-1"), Progress(COMPLETED))


def test_closing_in_a_transaction_that_fails_leaves_the_attempt(store: EventStore, database: Database) -> None:
    store.begin(attempt())
    with suppress(RuntimeError), database.write() as connection:
        assert close_within(connection, AttemptKey("task-1", "token-1"), COMPLETED)
        raise RuntimeError
    assert phases(store) == [STARTED]


@pytest.mark.parametrize("other", ["order ", "order" * 2_000])
def test_text_that_cannot_be_a_key_is_not_found(store: EventStore, other: str) -> None:
    store.begin(attempt(traceability_id="order", correlation_id="order"))
    assert (store.by_traceability_id(other), store.by_correlation_id(other), store.phases_of(other)) == ([], [], [])
    assert len(store.by_traceability_id("order") + store.by_correlation_id("order")) == 2


def test_any_number_of_events_may_have_no_external_task(store: EventStore) -> None:
    for number in range(5):
        store.record(attempt(None, None, phase=OPS, result=str(number)))  # type: ignore[arg-type]
    assert [(row.phase, row.result) for row in all_of(store)] == [(OPS, str(number)) for number in range(5)]


def test_trace_is_read_in_order_and_in_pages(store: EventStore) -> None:
    for number in range(5):
        store.begin(attempt(f"task-{number}", correlation_id="order-1"))
        store.begin(attempt(f"other-{number}", traceability_id="Trace"))
    first = store.by_traceability_id("trace", limit=3)
    rest = store.by_traceability_id("trace", after_seq=first[-1].seq, limit=3)
    assert [row.external_task_id for row in first + rest] == [f"task-{number}" for number in range(5)]
    assert [row.external_task_id for row in store.by_correlation_id("order-1", limit=2)] == ["task-0", "task-1"]
    assert store.by_correlation_id("ORDER-1") == []


def test_open_attempts_are_those_that_did_not_change_for_a_while(store: EventStore, clock: Clock) -> None:
    store.begin(attempt("started"))
    store.begin(attempt("completing"))
    store.progress(AttemptKey("completing", "token-1"), Progress(COMPLETING, {}))
    store.begin(attempt("completed"))
    store.close(AttemptKey("completed", "token-1"), COMPLETED)
    store.record(attempt(None, None, phase=OPS))  # type: ignore[arg-type]
    clock.advance(40)
    store.begin(attempt("new"))

    (first,) = store.claim_open_attempts(untouched_for_s=30, limit=1)
    (second,) = store.claim_open_attempts(untouched_for_s=30, limit=10)
    assert {first.external_task_id, second.external_task_id} == {"started", "completing"}
    assert store.claim_open_attempts(untouched_for_s=30, limit=10) == []
    store.release([first])
    assert store.claim_open_attempts(untouched_for_s=30, limit=10) == [first]


def test_attempt_that_was_resolved_in_between_is_not_released(store: EventStore, clock: Clock) -> None:
    store.begin(attempt())
    clock.advance(40)
    (taken,) = store.claim_open_attempts(untouched_for_s=30, limit=10)
    store.close(AttemptKey("task-1", "token-1"), COMPLETED)
    moved = all_of(store)[0].updated_at
    store.release([taken])
    assert all_of(store)[0].updated_at == moved
