"""The tick `purge`: only with RETENTION_DAYS, once an interval, for a limited time, and only ended processes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from store import processes, retention
from store.clock import now
from store.errors import DatabaseUnavailable
from store.process_rows import ERROR, OK, Ending, NewProcess
from tasks.settling import purge
from tests.support.facade import Facade

DONE = Ending(OK)
INCIDENT = Ending(ERROR, error={"code": "INCIDENT"}, incident_id="i")


def add(facade: Facade, correlation_id: str, ending: Ending | None = DONE) -> None:
    """Accept a row, and end it unless `ending` is None."""
    new = NewProcess(uuid.uuid4(), correlation_id, "0" * 64, "p", {}, "trace")
    assert facade.runtime.processes.accept(new)
    if ending is not None:
        assert facade.runtime.processes.settle(new.id, ending)


def left(facade: Facade) -> set[str]:
    return {row.correlation_id for row in facade.runtime.processes.page(limit=500)}


@pytest.fixture
def long_ago(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Move the clock, so that rows are written 31 days ago."""
    with monkeypatch.context() as patch:
        patch.setattr(processes, "now", lambda: now() - timedelta(days=31))
        yield patch


def test_tick_deletes_what_ended_long_ago_and_nothing_else(facade: Facade, long_ago: pytest.MonkeyPatch) -> None:
    facade.change(retention_days=30)
    add(facade, "old")
    add(facade, "old and pending", None)
    add(facade, "old and on an incident", INCIDENT)
    long_ago.undo()
    add(facade, "new")
    purge.purge()
    assert left(facade) == {"old and pending", "old and on an incident", "new"}


def test_without_retention_nothing_is_deleted(facade: Facade, long_ago: pytest.MonkeyPatch) -> None:
    add(facade, "old")
    assert facade.runtime.settings.retention_days == 0
    purge.purge()
    assert left(facade) == {"old"}


def test_second_tick_of_an_interval_does_nothing(facade: Facade, long_ago: pytest.MonkeyPatch) -> None:
    facade.change(retention_days=30)
    purge.purge()
    add(facade, "old")
    purge.purge()
    assert left(facade) == {"old"}


def test_one_transaction_deletes_a_batch_and_a_tick_all_batches(facade: Facade, long_ago: pytest.MonkeyPatch) -> None:
    for number in range(retention.PROCESSES + 3):
        add(facade, f"old-{number}")
    before = now() - timedelta(days=30)
    assert retention.Retention(facade.runtime.database).purge(before) == retention.PROCESSES
    assert len(left(facade)) == 3
    assert purge.purge_old(30) == 3
    assert left(facade) == set()


def test_tick_ends_when_its_time_is_over(facade: Facade, long_ago: pytest.MonkeyPatch) -> None:
    add(facade, "old")
    assert purge.purge_old(30, budget_s=0) == 0
    assert left(facade) == {"old"}


def test_tick_survives_a_database_that_becomes_unavailable(
    facade: Facade, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answers = iter([7])

    def once(_self: retention.Retention, _before: datetime) -> int:
        try:
            return next(answers)
        except StopIteration:
            raise DatabaseUnavailable("gone") from None

    monkeypatch.setattr(retention.Retention, "purge", once)
    assert purge.purge_old(30) == 7
    assert "purge incomplete, the next round goes on: gone" in caplog.text


def test_row_that_cannot_be_deleted_stops_no_other(
    facade: Facade, long_ago: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(20):
        add(facade, f"row-{number}")
    long_ago.undo()
    with facade.runtime.database.write() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER keep BEFORE DELETE ON process_store WHEN OLD.correlation_id = 'row-7' "
            "BEGIN SELECT RAISE(ABORT, 'a table of our own refers to it'); END"
        )

    purge.purge_old(30)

    assert left(facade) == {"row-7"}
    assert "purge failed for one row, attempt 1" in caplog.text
    assert "a table of our own refers to it" in caplog.text
