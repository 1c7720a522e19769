"""Processes are found by the identifiers of their start and their steps: running, stuck or ended."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from store.clock import now
from store.database import Database
from store.event_rows import COMPLETING, AttemptKey, NewEvent, Progress
from store.events import EventStore
from store.finding import BEGINNINGS, Identifier, Search
from store.identifiers import NewIdentifiers, as_texts
from store.models import process_identifier
from store.personal import PersonalData
from store.process_rows import ERROR, OK, Ending, NewProcess
from store.processes import ProcessStore
from store.retention import Retention
from tests.integration.threads import together


@pytest.fixture
def store(database: Database) -> ProcessStore:
    return ProcessStore(database)


def accept(store: ProcessStore, correlation_id: str, **identifiers: Any) -> NewProcess:
    new = NewProcess(
        id=uuid.uuid4(),
        correlation_id=correlation_id,
        request_hash="0" * 64,
        process_key="p",
        variables={},
        traceability_id="trace",
        identifiers=identifiers or None,
        searched=as_texts(identifiers),
    )
    assert store.accept(new)
    return new


def found(store: ProcessStore, search: Search, **filters: Any) -> list[str]:
    return [row.correlation_id for row in store.page(limit=10, search=search, **filters)]


def stored(database: Database) -> list[tuple[str, str]]:
    with database.read() as connection:
        rows = connection.execute(sa.select(process_identifier.c.name, process_identifier.c.value))
        return sorted((name, value) for name, value in rows)


def exactly(name: str, value: str) -> Search:
    return Search(Identifier(name, value))


def beginning(name: str, value: str) -> Search:
    return Search(Identifier(name, value, is_beginning=True))


def test_running_process_is_found_by_the_identifiers_of_its_start(store: ProcessStore) -> None:
    accept(store, "a", orderId=4711, customerId="Müller")
    accept(store, "b", orderId="47110")
    accept(store, "c", customerId="4711")

    assert found(store, exactly("orderId", "4711")) == ["a"]
    assert found(store, beginning("orderId", "4711")) == ["b", "a"]
    assert found(store, exactly("customerId", "Müller")) == ["a"]
    assert found(store, Search(text="4711")) == ["c", "b", "a"]
    assert found(store, Search(text="orderId:4711")) == ["b", "a"]
    assert found(store, Search(Identifier("orderId", "4711"), "a")) == ["a"]
    assert found(store, Search(Identifier("orderId", "4711"), "b")) == []


def test_text_finds_correlation_ids_too(store: ProcessStore) -> None:
    accept(store, "order-1")
    accept(store, "order-2", customerId="order-1")
    accept(store, "Order-1")

    assert found(store, Search(text="order-1")) == ["order-2", "order-1"]
    assert found(store, Search(text="order-")) == ["order-2", "order-1"]


@pytest.mark.parametrize("value", ["É", "퟿", "￿", "😀", "\U0010ffff", "a%", "a_", "[a]", "a'", "*"])
def test_beginning_may_have_any_character(store: ProcessStore, value: str) -> None:
    accept(store, "a", orderId=value)
    accept(store, "b", orderId=f"{value}-1")
    accept(store, "c", orderId=f"{value}😀")
    accept(store, "d", orderId="x")

    assert found(store, beginning("orderId", value)) == ["c", "b", "a"]
    assert found(store, exactly("orderId", value)) == ["a"]


def test_values_are_compared_exactly_but_for_spaces_around_them(store: ProcessStore) -> None:
    accept(store, "a", orderId=" ab ")
    accept(store, "b", orderId="AB")

    assert found(store, exactly("orderId", "ab")) == ["a"]
    assert found(store, exactly("orderId", "ab ")) == ["a"]
    assert found(store, exactly("orderid", "ab")) == []


def test_long_values_are_found_by_their_first_200_characters(store: ProcessStore) -> None:
    accept(store, "a", orderId="x" * 500)

    assert found(store, exactly("orderId", "x" * 500)) == ["a"]
    assert found(store, exactly("orderId", "x" * 200)) == ["a"]
    assert found(store, exactly("orderId", "x" * 199)) == []


def test_redacted_names_and_what_is_no_identifier_are_not_stored(database: Database, store: ProcessStore) -> None:
    accept(store, "a", iban="DE00123456", apiToken="s3cret", orderId=["1"], customerId=True, userId="", accountId=1.5)

    assert stored(database) == [("accountId", "1.5")]


def test_search_is_narrowed_by_the_other_filters_and_paged(store: ProcessStore) -> None:
    rows = [accept(store, f"p-{number}", customerId="c", orderId=f"o-{number}") for number in range(12)]
    assert store.settle(rows[3].id, Ending(ERROR, error={"code": "E"}))

    for search in (exactly("customerId", "c"), beginning("orderId", "o-"), Search(text="c"), Search(text="p-")):
        first = store.page(limit=10, search=search)
        rest = store.page(limit=10, search=search, before_seq=first[-1].seq)
        assert [row.correlation_id for row in first + rest] == [f"p-{number}" for number in range(11, -1, -1)]
        assert found(store, search, status=ERROR) == ["p-3"]
        assert found(store, search, process_key="other") == []
        assert found(store, search, started_after=now() + timedelta(hours=1)) == []
        assert not store.is_cut(search)


def test_search_tells_when_more_begins_with_the_text_than_it_reads(store: ProcessStore, database: Database) -> None:
    new = accept(store, "a")
    row = store.by_id(new.id)
    assert row is not None
    many = [{"process_seq": row.seq, "name": "orderId", "value": f"4711-{number}"} for number in range(BEGINNINGS + 1)]
    with database.write() as connection:
        connection.execute(sa.insert(process_identifier), many)
    accept(store, "b", orderId="4711")

    assert store.is_cut(beginning("orderId", "4711"))
    assert store.is_cut(Search(text="4711"))
    assert not store.is_cut(exactly("orderId", "4711"))
    assert not store.is_cut(beginning("orderId", "4711-9"))
    # what equals the text is found all the same
    assert found(store, Search(text="4711")) == ["b", "a"]


def event(token: str) -> NewEvent:
    return NewEvent("trace", "step", external_task_id="task", lock_token=token)


def test_step_adds_the_identifiers_of_its_input_and_its_output(store: ProcessStore, database: Database) -> None:
    events, new = EventStore(database), accept(store, "a", orderId="1")
    given = {"orderId": "1", "userId": "u"}
    assert events.begin(event("1"), identifiers=NewIdentifiers(new.id, given, given)) == []
    assert found(store, exactly("userId", "u")) == ["a"]

    made = {**given, "orderId": "2", "customerId": 7}
    done = NewIdentifiers(new.id, as_texts(made), made)
    assert events.progress(AttemptKey("task", "1"), Progress(COMPLETING), identifiers=done)

    for name, value in (("orderId", "1"), ("orderId", "2"), ("userId", "u"), ("customerId", "7")):
        assert found(store, exactly(name, value)) == ["a"]
    row = store.by_id(new.id)
    assert row is not None
    assert row.identifiers == {"orderId": "2", "userId": "u", "customerId": 7}
    # once more: nothing changes
    assert events.progress(AttemptKey("task", "1"), Progress(COMPLETING), identifiers=done)
    assert len(stored(database)) == 4


def test_outcome_of_a_closed_attempt_adds_nothing(store: ProcessStore, database: Database) -> None:
    events, new = EventStore(database), accept(store, "a")
    assert events.begin(event("1")) == []
    assert events.close(AttemptKey("task", "1"), "lost")

    late = NewIdentifiers(new.id, {"orderId": "1"}, {"orderId": "1"})
    assert not events.progress(AttemptKey("task", "1"), Progress(COMPLETING), identifiers=late)
    assert events.begin(event("1"), identifiers=late) is None

    assert stored(database) == []


def test_steps_that_run_at_once_lose_none_of_their_identifiers(store: ProcessStore, database: Database) -> None:
    events, new = EventStore(database), accept(store, "a")

    def begin(number: int) -> object:
        made = {f"id{number}": str(number), "customerId": "c"}
        begun = NewEvent("trace", "step", external_task_id=f"task-{number}", lock_token="1")
        return events.begin(begun, identifiers=NewIdentifiers(new.id, made, made))

    assert together(6, begin) == [[]] * 6

    expected = {**{f"id{number}": str(number) for number in range(6)}, "customerId": "c"}
    assert stored(database) == sorted(expected.items())
    row = store.by_id(new.id)
    assert row is not None
    assert row.identifiers == expected


def test_identifiers_of_a_process_that_was_deleted_are_not_written(store: ProcessStore, database: Database) -> None:
    gone = NewIdentifiers(uuid.uuid4(), {"orderId": "1"}, {"orderId": "1"})

    assert EventStore(database).begin(event("1"), identifiers=gone) == []

    assert stored(database) == []


def test_refused_repeat_of_a_start_writes_no_identifiers(store: ProcessStore, database: Database) -> None:
    accept(store, "a", orderId="1")
    again = NewProcess(uuid.uuid4(), "a", "0" * 64, "p", {}, "trace", searched={"orderId": "2"})

    assert not store.accept(again)

    assert stored(database) == [("orderId", "1")]


def test_identifiers_are_exported_and_erased_with_their_process(store: ProcessStore, database: Database) -> None:
    first, other = accept(store, "a", orderId="1", userId="u"), accept(store, "b", orderId="2")
    data, row = PersonalData(database), store.by_id(first.id)
    assert row is not None
    assert data.identifiers(row.seq) == [{"name": "orderId", "value": "1"}, {"name": "userId", "value": "u"}]

    assert store.settle(first.id, Ending(OK))
    assert data.erase(first.id, "a", NewEvent("erasure:1", "erase", "ops")) is not None

    assert stored(database) == [("orderId", "2")]
    assert store.settle(other.id, Ending(OK))
    assert Retention(database).purge(now() + timedelta(days=1)) == 1
    assert stored(database) == []
