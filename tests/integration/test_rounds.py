"""One row of twenty fails in a round: it is postponed, logged, counted and tried again; the others are worked on."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from camunda_bridge.context import CONTEXT_VARIABLE, ExecutionContext
from camunda_bridge.errors import EngineRefused, EngineUnavailable
from camunda_bridge.variables import to_engine
from store.clock import now
from store.event_rows import NewEvent
from store.models import event_log, process_store
from store.process_rows import CANCELLED, ERROR, Ending, NewProcess, ProcessRow
from tasks.beat.rounds import UNAVAILABLE_AFTER, isolated_part, process_rows
from tasks.errors import BrokerUnavailable
from tasks.settling import open_attempts, reconcile
from tasks.webhooks import delivering
from telemetry.metrics import declared
from tests.integration.step_bench import Bench

NUMBER = 20
POISONED = 7


class Rows:
    """The rows of one test, one of which fails, and the rows that were worked on."""

    def __init__(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bench = bench
        self.patch = monkeypatch
        self.worked_on: list[str] = []
        self.failed: list[str] = []
        self.is_mended = False
        bench.runtime.redis.flushall()

    def accept(self, number: int, *, starts: bool = False) -> ProcessRow:
        """Accept a row; with `starts`, also start its instance."""
        store = self.bench.runtime.processes
        new = NewProcess(uuid.uuid4(), f"row-{number}", "h", self.bench.key, {}, "trace", callback_url="http://x/y")
        assert store.accept(new)
        assert store.claim(new.id, "token", for_s=-1)[1]
        if starts:
            context = ExecutionContext(str(new.id), new.correlation_id, "trace", process_key=self.bench.key)
            values = to_engine({CONTEXT_VARIABLE: context.to_variable()})
            started = self.bench.engine.start(self.bench.key, new.correlation_id, values)
            assert store.record_instance(new.id, started.id)
        row = store.by_id(new.id)
        assert row is not None
        return row

    def poison(self, module: Any, name: str, id_of: Callable[..., str]) -> None:
        """Make a function fail for the poisoned row, and note the rows that it is called for."""
        real = getattr(module, name)

        def poisoned(*args: Any, **kwargs: Any) -> Any:
            which = id_of(*args, **kwargs)
            if which == f"row-{POISONED}" and not self.is_mended:
                self.failed.append(which)
                raise KeyError("a member that is not there")
            self.worked_on.append(which)
            return real(*args, **kwargs)

        self.patch.setattr(module, name, poisoned)


def age(bench: Bench, *tables: Any) -> None:
    with bench.runtime.database.write() as connection:
        for table in tables:
            connection.execute(sa.update(table).values(updated_at=now() - timedelta(hours=1)))


def unstarted(rows: Rows) -> Callable[[], object]:
    for number in range(NUMBER):
        rows.accept(number)
    age(rows.bench, process_store)
    rows.poison(reconcile, "send_start", lambda *_, correlation_id, **__: correlation_id)
    return reconcile.resend_starts


def ended(rows: Rows) -> Callable[[], object]:
    for number in range(NUMBER):
        rows.accept(number, starts=True)
        message = rows.bench.fetch()
        rows.bench.engine.complete(message.task.id, message.token, {})
    rows.poison(reconcile, "settle_ended", lambda row, _, **_more: row.correlation_id)
    return reconcile.sweep_running


def ended_of_many(rows: Rows) -> Callable[[], object]:
    ended(rows)
    rows.patch.setattr(reconcile, "SWEEP", NUMBER - 1)
    rows.bench.runtime.bookmarks.put("finished-after", (now() - timedelta(minutes=1)).isoformat())
    return reconcile.settle_finished


def with_incidents(rows: Rows) -> Callable[[], object]:
    for number in range(NUMBER):
        rows.accept(number, starts=True)
        message = rows.bench.fetch()
        rows.bench.engine.failure(message.task.id, message.token, "no", "", retries=0, retry_timeout_ms=0)
    rows.poison(reconcile, "settle_incident", lambda row: row.correlation_id)
    return reconcile.settle_incidents


def with_resolved_incidents(rows: Rows) -> Callable[[], object]:
    for number in range(NUMBER):
        row = rows.accept(number, starts=True)
        rows.bench.runtime.processes.settle(row.id, Ending(ERROR, error={}, incident_id=f"incident-{number}"))
    rows.poison(reconcile, "reopen", lambda row, _, **_more: row.correlation_id)
    return reconcile.reopen_resolved


def lost(rows: Rows) -> Callable[[], object]:
    for number in range(NUMBER):
        row = rows.accept(number)
        rows.bench.runtime.processes.record_instance(row.id, f"nobody-knows-{number}")
    age(rows.bench, process_store)
    rows.poison(reconcile, "settle_answered", lambda row, **_: row.correlation_id)
    return reconcile.sweep_running


def with_open_attempts(rows: Rows) -> Callable[[], object]:
    for number in range(NUMBER):
        event = NewEvent("trace", "a", correlation_id=f"row-{number}", external_task_id=f"t-{number}", lock_token="x")
        assert rows.bench.runtime.events.begin(event) == []
    age(rows.bench, event_log)
    rows.poison(open_attempts, "fate_of", lambda _, task_id, __: task_id.replace("t-", "row-"))
    return reconcile.resolve_attempts


def ended_by_ops(rows: Rows) -> Callable[[], object]:
    for number in range(NUMBER):
        row = rows.accept(number, starts=True)
        rows.bench.runtime.processes.settle(row.id, Ending(CANCELLED, error={}, engine_open=True))
    rows.poison(reconcile, "close_in_engine", lambda row: row.correlation_id)
    return reconcile.close_ended


def with_webhooks(rows: Rows) -> Callable[[], object]:
    from tasks.settling.settle import settle

    for number in range(NUMBER):
        settle(rows.accept(number), Ending(CANCELLED, error={}))
    with rows.bench.runtime.database.write() as connection:
        connection.execute(sa.text("UPDATE webhook_delivery SET next_at = '2020-01-01 00:00:00.000000'"))
    rows.bench.runtime.redis.flushall()
    rows.poison(delivering, "send_delivery", lambda claim: claim.correlation_id)
    return delivering.enqueue_due


@pytest.mark.parametrize(
    "make",
    [
        unstarted,
        ended,
        ended_of_many,
        with_incidents,
        with_resolved_incidents,
        lost,
        with_open_attempts,
        ended_by_ops,
        with_webhooks,
    ],
)
def test_one_poisoned_row_among_twenty(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    make: Callable[[Rows], Callable[[], object]],
) -> None:
    bench.deploy({})
    rows = Rows(bench, monkeypatch)
    part = make(rows)
    before = counted()

    with caplog.at_level(logging.WARNING, "tasks.beat.rounds"):
        part()

    assert len(rows.failed) == 1
    assert sorted(set(rows.worked_on)) == sorted(f"row-{number}" for number in range(NUMBER) if number != POISONED)
    assert "a member that is not there" in caplog.text
    assert counted() == before + 1
    keys: Any = bench.runtime.redis.keys("celery-camunda:put-off:*:*")
    assert len(keys) == 1
    assert 0 < int(bench.runtime.redis.pttl(keys[0])) <= 2_000  # type: ignore[arg-type]

    # After the pause it is tried again, and the failures of a row that succeeds are forgotten.
    bench.runtime.redis.delete(*keys)
    rows.is_mended = True
    age(bench, process_store, event_log)
    with bench.runtime.database.write() as connection:
        connection.execute(sa.text("UPDATE webhook_delivery SET next_at = '2020-01-01 00:00:00.000000'"))
    if make is ended_of_many:
        bench.runtime.bookmarks.put("finished-after", (now() - timedelta(minutes=1)).isoformat())
        monkeypatch.setattr(reconcile, "SWEEP", 0)
    part()
    assert f"row-{POISONED}" in rows.worked_on
    assert bench.runtime.redis.keys("celery-camunda:put-off:*") == []


def counted() -> float:
    return sum(
        sample.value
        for metric in declared.ROWS_PUT_OFF.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    )


class Row:
    """A row of any kind."""

    def __init__(self, number: int) -> None:
        self.id = str(number)
        self.correlation_id = f"row-{number}"


def test_partner_that_is_unavailable_for_several_rows_ends_the_part_and_postpones_no_row(bench: Bench) -> None:
    bench.runtime.redis.flushall()
    rows, tried, back = [Row(number) for number in range(10)], [], []

    def work(row: Row) -> None:
        tried.append(row)
        if row.id >= "2":
            raise EngineUnavailable("no connection")

    with pytest.raises(EngineUnavailable):
        process_rows("part", rows, work, key=lambda row: row.id, release=back.extend)

    assert len(tried) == 2 + UNAVAILABLE_AFTER
    assert back == rows[2:]
    assert bench.runtime.redis.keys("celery-camunda:put-off:*") == []


def test_partner_that_is_unavailable_for_one_row_only_postpones_that_row(bench: Bench) -> None:
    bench.runtime.redis.flushall()
    done = []

    def work(row: Row) -> None:
        if row.id == "1":
            raise EngineUnavailable("its history is too long to be read in time")
        done.append(row.id)

    process_rows("part", [Row(number) for number in range(4)], work, key=lambda row: row.id)

    assert done == ["0", "2", "3"]
    assert bench.runtime.redis.hgetall("celery-camunda:put-off:part") == {"1": "1"}


def test_row_that_fails_again_is_postponed_for_longer(bench: Bench) -> None:
    bench.runtime.redis.flushall()
    pauses = []

    def work(_: Row) -> None:
        raise EngineRefused("never")

    for _ in range(12):
        process_rows("part", [Row(1)], work, key=lambda row: row.id)
        pauses.append(round(int(bench.runtime.redis.pttl("celery-camunda:put-off:part:1")) / 1000))  # type: ignore[arg-type]
        bench.runtime.redis.delete("celery-camunda:put-off:part:1")

    assert pauses == [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600]


def test_postponed_row_is_not_worked_on(bench: Bench) -> None:
    bench.runtime.redis.flushall()
    tried: list[str] = []

    def work(row: Row) -> None:
        tried.append(row.id)
        raise ValueError

    for _ in range(3):
        process_rows("part", [Row(1)], work, key=lambda row: row.id)

    assert tried == ["1"]


@pytest.mark.parametrize("error", [ValueError("odd"), BrokerUnavailable("gone"), KeyError("x")])
def test_part_that_fails_as_a_whole_lets_the_next_go_on(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    with isolated_part("first"):
        raise error
    assert "first" in caplog.text


def test_engine_that_gives_no_answer_about_one_instance_is_asked_about_the_others(bench: Bench) -> None:
    from tasks.beat.rounds import query_all

    def ask(ids: list[str]) -> list[str]:
        if "3" in ids:
            raise EngineRefused("one of them cannot be read", status=500)
        return ids

    assert list(query_all(ask, [str(number) for number in range(8)])) == ["0", "1", "2", "4", "5", "6", "7"]
