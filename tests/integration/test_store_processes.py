"""Accepting, claiming and settling rows: every change is guarded, and reports if another change came first."""

from __future__ import annotations

import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from store.database import Database
from store.event_rows import COMPLETED, COMPLETING, AttemptKey, NewEvent, Progress
from store.events import EventStore
from store.models import process_store
from store.process_rows import CANCELLED, ERROR, OK, PENDING, Ending, NewProcess, ProcessRow
from store.processes import ProcessStore
from store.retrying import retrying
from tests.integration.conftest import Clock
from tests.integration.threads import together


@pytest.fixture
def store(database: Database) -> ProcessStore:
    return ProcessStore(database)


def new_process(correlation_id: str = "order-1", **values: Any) -> NewProcess:
    return NewProcess(
        **{
            "id": uuid.uuid4(),
            "correlation_id": correlation_id,
            "request_hash": "0" * 64,
            "process_key": "onboard-user",
            "variables": {},
            "traceability_id": f"trace-{correlation_id}",
            **values,
        }
    )


def accept(store: ProcessStore, correlation_id: str = "order-1", **values: Any) -> NewProcess:
    new = new_process(correlation_id, **values)
    assert store.accept(new)
    return new


def started(store: ProcessStore, correlation_id: str = "order-1", instance: str | None = None) -> NewProcess:
    new = accept(store, correlation_id)
    assert store.claim(new.id, "token", for_s=30)[1]
    assert store.record_instance(new.id, instance or f"pi-{correlation_id}")
    return new


def row_of(store: ProcessStore, new: NewProcess) -> ProcessRow:
    row = store.by_id(new.id)
    assert row is not None
    return row


def test_accepted_row_is_pending_and_holds_what_was_given(store: ProcessStore, clock: Clock) -> None:
    new = accept(
        store,
        variables={"n": 1},
        batch_id="b",
        application_id="a",
        callback_url="https://example.org/done",
        identifiers={"userId": "u"},
    )
    row = row_of(store, new)
    assert (row.status, row.process_instance_id, row.claim_token, row.claim_until) == (PENDING, None, None, None)
    assert (row.engine_open, row.result, row.error, row.finished_at) == (False, None, None, None)
    assert (row.variables, row.batch_id, row.application_id) == ({"n": 1}, "b", "a")
    assert (row.callback_url, row.identifiers) == ("https://example.org/done", {"userId": "u"})
    assert row.started_at == row.updated_at


def test_times_come_back_in_utc_to_the_millisecond(store: ProcessStore, clock: Clock) -> None:
    row = row_of(store, accept(store))
    assert row.started_at == clock.time.replace(microsecond=123_000)
    assert row.started_at.utcoffset() == timedelta(0)


def test_second_row_of_a_correlation_id_is_not_accepted(store: ProcessStore) -> None:
    first = accept(store, "order-1")
    assert not store.accept(new_process("order-1"))
    row = store.by_correlation_id("order-1")
    assert row is not None
    assert row.id == first.id


def test_one_of_20_simultaneous_rows_of_a_correlation_id_is_accepted(store: ProcessStore) -> None:
    accepted = together(20, lambda _: store.accept(new_process("order-1")))
    assert Counter(accepted) == {True: 1, False: 19}


def test_same_id_is_not_accepted_twice(store: ProcessStore) -> None:
    new = accept(store, "order-1")
    assert not store.accept(new_process("order-2", id=new.id))


def test_correlation_ids_are_compared_exactly(store: ProcessStore) -> None:
    ids = ["order", "Order", "ORDER", " order", "or der", "ördér", "order\u200b", "订单-🛒"]
    accepted = {correlation_id: accept(store, correlation_id).id for correlation_id in ids}
    for correlation_id, process_id in accepted.items():
        row = store.by_correlation_id(correlation_id)
        assert row is not None
        assert (row.id, row.correlation_id) == (process_id, correlation_id)
    assert store.by_correlation_id("oRDER") is None


@pytest.mark.parametrize("other", ["order ", "order   ", "order" * 2_000, "order\t"])
def test_text_that_cannot_be_a_key_is_not_found(store: ProcessStore, other: str) -> None:
    accept(store, "order", process_key="order")
    assert store.by_correlation_id(other) is None
    assert store.page(limit=10, process_key=other) == []
    assert len(store.page(limit=10, process_key="order")) == 1


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        [],
        "",
        0,
        False,
        1.5,
        2**63 - 1,
        -(2**63),
        {"text": 'grüße 你好 👩‍👩‍👧 \u0000 \\ " \n'},
        {"none": None, "list": [None, {"deep": [[[]]]}]},
        {"at": "0001-01-01T00:00:00Z", "to": "9999-12-31T23:59:59.999Z"},
    ],
    ids=repr,
)
def test_json_comes_back_as_it_was(store: ProcessStore, value: Any) -> None:
    new = accept(store, variables={"value": value})
    assert store.settle(new.id, Ending(OK, result=value))
    row = row_of(store, new)
    assert row.variables == {"value": value}
    assert row.result == value
    assert type(row.result) is type(value)


def test_a_megabyte_of_variables_comes_back(store: ProcessStore) -> None:
    variables = {"text": "ä" * 600_000, "list": list(range(100_000))}
    assert row_of(store, accept(store, variables=variables)).variables == variables


def test_claim_gives_the_row_as_it_was(store: ProcessStore, clock: Clock) -> None:
    new = accept(store)
    row, ours = store.claim(new.id, "first", for_s=30)
    assert ours
    assert row is not None
    assert (row.id, row.claim_token) == (new.id, None)
    after = row_of(store, new)
    assert after.claim_token == "first"
    assert after.claim_until == row.started_at + timedelta(seconds=30)


def test_claim_of_another_is_respected_until_it_expires(store: ProcessStore, clock: Clock) -> None:
    new = accept(store)
    assert store.claim(new.id, "first", for_s=30)[1]
    clock.advance(29)
    assert not store.claim(new.id, "second", for_s=30)[1]
    clock.advance(2)
    row, ours = store.claim(new.id, "second", for_s=30)
    assert ours
    assert row is not None
    assert row.claim_token == "first"


def test_one_of_20_simultaneous_claims_wins(store: ProcessStore) -> None:
    new = accept(store)
    claims = together(20, lambda index: store.claim(new.id, f"token-{index}", for_s=30)[1])
    assert sum(claims) == 1
    assert row_of(store, new).claim_token == f"token-{claims.index(True)}"


def test_unknown_started_or_ended_row_cannot_be_claimed(store: ProcessStore) -> None:
    assert store.claim(uuid.uuid4(), "token", for_s=30) == (None, False)
    running = started(store, "running")
    row, ours = store.claim(running.id, "token", for_s=30)
    assert not ours
    assert row is not None
    assert row.process_instance_id == "pi-running"
    ended = accept(store, "ended")
    assert store.settle(ended.id, Ending(CANCELLED))
    assert not store.claim(ended.id, "token", for_s=30)[1]


def test_first_instance_that_is_recorded_is_the_rows_whoever_holds_the_claim(store: ProcessStore, clock: Clock) -> None:
    new = accept(store)
    store.claim(new.id, "first", for_s=30)
    clock.advance(31)
    store.claim(new.id, "second", for_s=30)
    assert store.record_instance(new.id, "pi-of-first", while_pending=True)
    assert not store.record_instance(new.id, "pi-of-second")
    row = row_of(store, new)
    assert (row.process_instance_id, row.claim_token, row.claim_until) == ("pi-of-first", None, None)


def test_claim_is_released_by_its_holder_only(store: ProcessStore) -> None:
    new = accept(store)
    store.claim(new.id, "first", for_s=30)
    store.release_claim(new.id, "second", is_first=True)
    assert row_of(store, new).claim_token == "first"
    store.release_claim(new.id, "first", is_first=True)
    assert store.claim(new.id, "second", for_s=30)[1]


def test_claim_released_by_a_later_claimant_still_shows_that_there_was_an_earlier_one(store: ProcessStore) -> None:
    new = accept(store)
    store.claim(new.id, "first", for_s=-1)
    assert store.claim(new.id, "second", for_s=30)[1]
    store.release_claim(new.id, "second", is_first=False)

    row, ours = store.claim(new.id, "third", for_s=30)

    assert ours
    assert row is not None
    assert row.claim_token is not None


def test_row_that_ends_while_it_is_claimed_is_not_ours(store: ProcessStore, monkeypatch: pytest.MonkeyPatch) -> None:
    new = accept(store)
    look = store.by_id

    def after_its_end(process_id: uuid.UUID) -> ProcessRow | None:
        store.settle(process_id, Ending(OK, engine_open=True))
        return look(process_id)

    monkeypatch.setattr(store, "by_id", after_its_end)

    assert not store.claim(new.id, "token", for_s=30)[1]


def test_settled_row_holds_its_end(store: ProcessStore, clock: Clock) -> None:
    new = started(store)
    clock.advance(5)
    ending = Ending(ERROR, error={"code": "E"}, identifiers={"userId": "u"}, incident_id="i", engine_open=True)
    assert store.settle(new.id, ending)
    row = row_of(store, new)
    assert (row.status, row.error, row.identifiers, row.incident_id) == (ERROR, {"code": "E"}, {"userId": "u"}, "i")
    assert row.engine_open
    assert row.finished_at == row.updated_at == row.started_at + timedelta(seconds=5)


def test_settling_without_identifiers_keeps_those_of_the_row(store: ProcessStore) -> None:
    new = accept(store, identifiers={"userId": "u"})
    store.settle(new.id, Ending(OK))
    assert row_of(store, new).identifiers == {"userId": "u"}


def test_instance_of_a_row_that_was_ended_while_it_was_claimed_can_still_be_recorded(store: ProcessStore) -> None:
    new = accept(store)
    store.claim(new.id, "token", for_s=30)
    store.settle(new.id, Ending(CANCELLED))
    assert row_of(store, new).claim_until is not None
    assert not store.record_instance(new.id, "pi", while_pending=True)
    assert store.record_instance(new.id, "pi")
    assert (row_of(store, new).status, row_of(store, new).process_instance_id) == (CANCELLED, "pi")


INCIDENT = Ending(ERROR, error={"code": "INCIDENT"}, incident_id="incident-1")
BUSINESS_ERROR = Ending(ERROR, error={"code": "E"})


@pytest.mark.parametrize(
    ("first", "second", "allowed"),
    [
        (Ending(OK), Ending(OK), False),
        (Ending(OK), BUSINESS_ERROR, False),
        (Ending(OK), Ending(CANCELLED), False),
        (Ending(CANCELLED), Ending(OK), False),
        (Ending(CANCELLED), BUSINESS_ERROR, False),
        (BUSINESS_ERROR, Ending(OK), False),
        (BUSINESS_ERROR, BUSINESS_ERROR, False),
        (BUSINESS_ERROR, INCIDENT, False),
        (BUSINESS_ERROR, Ending(CANCELLED), False),
        (INCIDENT, Ending(OK), True),
        (INCIDENT, BUSINESS_ERROR, True),
        (INCIDENT, INCIDENT, False),
        (INCIDENT, Ending(CANCELLED), True),
        (Ending(CANCELLED), Ending(CANCELLED), False),
    ],
)
def test_ended_row_ends_again_only_if_its_status_allows(
    store: ProcessStore, first: Ending, second: Ending, allowed: bool
) -> None:
    new = started(store)
    assert store.settle(new.id, first)
    assert store.settle(new.id, second) is allowed
    row = row_of(store, new)
    expected = second if allowed else first
    assert (row.status, row.error, row.incident_id) == (expected.status, expected.error, expected.incident_id)


def test_ops_may_complete_a_process_in_error(store: ProcessStore) -> None:
    new = started(store)
    assert store.settle(new.id, BUSINESS_ERROR)
    assert not store.settle(new.id, Ending(OK))
    assert store.settle(new.id, Ending(OK), by_ops=True)
    assert not store.settle(new.id, BUSINESS_ERROR, by_ops=True)


def test_instance_of_another_row_cannot_settle_it(store: ProcessStore) -> None:
    new = started(store, instance="pi-1")
    assert not store.settle(new.id, Ending(OK), process_instance_id="pi-2")
    assert store.settle(new.id, Ending(OK), process_instance_id="pi-1")


def test_instance_that_is_not_recorded_yet_may_be_a_called_one_and_settles_nothing(store: ProcessStore) -> None:
    new = accept(store)
    store.claim(new.id, "token", for_s=30)
    assert not store.settle(new.id, Ending(OK), process_instance_id="pi-1")
    assert row_of(store, new).status == PENDING


def test_answer_does_not_settle_beside_another_one_that_may_have_been_accepted_before(
    store: ProcessStore, database: Database
) -> None:
    new = started(store, instance="pi-1")
    events = EventStore(database)

    def answer(task: str, instance: str) -> None:
        event = NewEvent("t", "s", correlation_id="order-1", process_instance_id=instance)
        assert events.begin(replace(event, external_task_id=task, lock_token="token")) == []
        assert events.progress(AttemptKey(task, "token"), Progress(COMPLETING, process_status=OK))

    answer("own", "pi-1")
    answer("of-a-called-instance", "pi-2")
    answer("other", "pi-1")
    ends = Ending(OK), "pi-1"
    assert not store.settle(new.id, ends[0], process_instance_id=ends[1], only_answer_is_of="own")
    events.close(AttemptKey("other", "token"), COMPLETED)
    assert store.settle(new.id, ends[0], process_instance_id=ends[1], only_answer_is_of="own")


def test_one_of_20_simultaneous_ends_wins(store: ProcessStore) -> None:
    new = started(store)
    won = together(20, lambda index: store.settle(new.id, Ending(OK, result=index)))
    assert sum(won) == 1
    assert row_of(store, new).result == won.index(True)


def test_settling_in_a_transaction_that_fails_leaves_the_row(store: ProcessStore, database: Database) -> None:
    new = started(store)
    with suppress(RuntimeError), database.write() as connection:
        assert store.settle(new.id, Ending(OK), connection=connection)
        raise RuntimeError
    assert row_of(store, new).status == PENDING


@pytest.mark.parametrize(("incident", "allowed"), [(None, False), ("i", True)])
def test_nothing_ends_a_row_well_that_has_ended_in_an_error_without_an_open_incident(
    store: ProcessStore, incident: str | None, allowed: bool
) -> None:
    new = accept(store, "declared")
    assert store.settle(new.id, Ending(ERROR, error={"code": "DECLARED"}, incident_id=incident))

    assert store.settle(new.id, Ending(OK)) is allowed


def test_reopened_row_is_pending_again(store: ProcessStore) -> None:
    new = started(store)
    store.settle(new.id, Ending(ERROR, error={"code": "INCIDENT"}, incident_id="i"))
    assert store.reopen(new.id)
    row = row_of(store, new)
    assert (row.status, row.error, row.incident_id, row.finished_at) == (PENDING, None, None, None)
    assert not store.reopen(new.id)


def test_row_that_ended_well_is_not_reopened(store: ProcessStore) -> None:
    new = started(store)
    store.settle(new.id, Ending(OK))
    assert not store.reopen(new.id)


def test_rows_are_found_by_instance(store: ProcessStore) -> None:
    first, second = started(store, "1", "pi-1"), started(store, "2", "pi-2")
    row = store.by_instance_id("pi-2")
    assert row is not None
    assert row.id == second.id
    assert store.by_instance_id("pi-3") is None
    assert {row.id for row in store.by_instance_ids(["pi-1", "pi-2", "pi-3"])} == {first.id, second.id}
    assert store.by_instance_ids([]) == []


def test_more_ids_than_sql_server_takes_parameters_can_be_asked_for(store: ProcessStore) -> None:
    wanted = [accept(store, f"order-{number}").id for number in range(3)]
    others = [uuid.uuid4() for _ in range(2_500)]
    assert {row.id for row in store.by_ids([wanted[0], *others, *wanted[1:]])} == set(wanted)
    assert store.by_instance_ids([str(other) for other in others]) == []


def test_pages_go_through_all_rows_newest_first(store: ProcessStore) -> None:
    for number in range(7):
        accept(store, f"order-{number}")
    seen: list[str] = []
    before = None
    while rows := store.page(limit=3, before_seq=before):
        seen += [row.correlation_id for row in rows]
        before = rows[-1].seq
    assert seen == [f"order-{number}" for number in reversed(range(7))]


def test_page_is_filtered_by_status_and_process_key(store: ProcessStore) -> None:
    accept(store, "a", process_key="one")
    store.settle(accept(store, "b", process_key="one").id, Ending(OK))
    store.settle(accept(store, "c", process_key="two").id, Ending(OK))

    def found(**query: Any) -> list[str]:
        return [row.correlation_id for row in store.page(limit=10, **query)]

    assert found(status=OK) == ["c", "b"]
    assert found(process_key="one") == ["b", "a"]
    assert found(status=OK, process_key="one") == ["b"]
    assert found(process_key="ONE") == []


def test_unstarted_rows_are_those_that_did_not_change_for_a_while(store: ProcessStore, clock: Clock) -> None:
    accept(store, "old")
    claimed = accept(store, "claimed")
    started(store, "running")
    store.settle(accept(store, "ended").id, Ending(CANCELLED))
    clock.advance(1)
    store.claim(claimed.id, "token", for_s=100)
    clock.advance(20)
    accept(store, "new")

    def unstarted() -> list[str]:
        return [row.correlation_id for row in store.claim_unstarted(untouched_for_s=15, limit=10)]

    assert unstarted() == ["old"]
    clock.advance(100)
    assert sorted(unstarted()) == ["claimed", "new", "old"]


def test_locked_row_is_not_returned_again_at_once(store: ProcessStore, clock: Clock) -> None:
    first, second = accept(store, "first"), accept(store, "second")
    clock.advance(20)
    (taken,) = store.claim_unstarted(untouched_for_s=15, limit=1)
    (other,) = store.claim_unstarted(untouched_for_s=15, limit=10)
    assert {taken.id, other.id} == {first.id, second.id}
    assert store.claim_unstarted(untouched_for_s=15, limit=10) == []
    clock.advance(16)
    assert len(store.claim_unstarted(untouched_for_s=15, limit=10)) == 2


def test_released_row_is_returned_again_at_once(store: ProcessStore, clock: Clock) -> None:
    accept(store, "first")
    clock.advance(20)
    taken = store.claim_unstarted(untouched_for_s=15, limit=10)
    store.release(taken)
    assert store.claim_unstarted(untouched_for_s=15, limit=10) == taken


def test_of_8_reconcilers_each_locks_other_rows(store: ProcessStore, clock: Clock) -> None:
    ids = [accept(store, f"order-{number}").id for number in range(40)]
    clock.advance(20)

    def take(_: int) -> list[uuid.UUID]:
        rows = retrying(lambda: store.claim_unstarted(untouched_for_s=15, limit=5), for_s=30)
        return [row.id for row in rows]

    taken = [one for some in together(8, take) for one in some]
    # SQL Server skips rows that another reconciler is locking, so a reconciler may get fewer rows than there are.
    while more := take(0):
        taken += more
    assert sorted(taken) == sorted(ids)


def test_row_that_another_transaction_has_locked_is_skipped(
    store: ProcessStore, database: Database, clock: Clock
) -> None:
    held, free = accept(store, "held"), accept(store, "free")
    clock.advance(20)

    def take() -> list[uuid.UUID]:
        return [row.id for row in store.claim_unstarted(untouched_for_s=15, limit=10)]

    claim = sa.update(process_store).where(process_store.c.id == held.id)
    with ThreadPoolExecutor(1) as pool:
        with database.write() as connection:
            connection.execute(claim.values(claim_token="t", claim_until=clock.time + timedelta(seconds=100)))
            taking = pool.submit(take)
            # SQLite allows one writer at a time, so there it waits.
            done, _ = wait([taking], timeout=0.2 if database.is_sqlite else 5)
            assert bool(done) is not database.is_sqlite
        assert taking.result(10) == [free.id]


def test_counts_tell_rows_with_instance_from_rows_without(store: ProcessStore) -> None:
    accept(store, "1")
    accept(store, "2")
    started(store, "3")
    store.settle(started(store, "4").id, Ending(OK))
    assert (store.count_unstarted(), store.count_running()) == (2, 1)


def test_running_rows_come_in_order_behind_a_row(store: ProcessStore) -> None:
    rows = [row_of(store, started(store, f"order-{number}")) for number in range(4)]
    accept(store, "unstarted")
    store.settle(rows[1].id, Ending(OK))
    assert [row.seq for row in store.running(after_seq=0, limit=10)] == [rows[0].seq, rows[2].seq, rows[3].seq]
    assert [row.seq for row in store.running(after_seq=rows[0].seq, limit=1)] == [rows[2].seq]


def test_row_ended_by_ops_is_open_in_the_engine_until_closed(store: ProcessStore) -> None:
    new = started(store)
    store.settle(started(store, "other").id, Ending(OK))
    store.settle(new.id, Ending(CANCELLED, engine_open=True))
    assert [row.id for row in store.open_in_engine(limit=10)] == [new.id]
    store.close_in_engine(new.id)
    assert store.open_in_engine(limit=10) == []
    assert row_of(store, new).status == CANCELLED
