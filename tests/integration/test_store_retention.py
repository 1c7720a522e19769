"""Retention: ended processes that are old are deleted with their events; all others stay."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
import sqlalchemy as sa

from store import retention
from store.database import Database
from store.event_rows import NewEvent
from store.events import EventStore
from store.models import event_log, process_store
from store.process_rows import CANCELLED, ERROR, OK, Ending, NewProcess
from store.processes import ProcessStore
from store.retention import Retention
from store.retrying import retrying
from tests.integration.conftest import Clock
from tests.integration.threads import together

DONE = Ending(OK)


class Rows:
    """Processes with two events each."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.processes = ProcessStore(database)
        self.events = EventStore(database)

    def add(self, correlation_id: str, ending: Ending | None = DONE, *, events: int = 2) -> None:
        new = NewProcess(uuid.uuid4(), correlation_id, "0" * 64, "p", {}, "shared trace")
        assert self.processes.accept(new)
        for number in range(events):
            task = f"{correlation_id}-{number}"
            event = NewEvent("shared trace", "s", correlation_id=correlation_id, external_task_id=task, lock_token="t")
            self.events.begin(event)
        if ending is not None:
            assert self.processes.settle(new.id, ending)

    def left(self) -> dict[str, int]:
        """Correlation id -> number of events, of the processes that are left; events without a process have a `!`."""
        with self.database.read() as connection:
            ids = set(connection.execute(sa.select(process_store.c.correlation_id)).scalars())
            counted = sa.select(event_log.c.correlation_id, sa.func.count()).group_by(event_log.c.correlation_id)
            events = dict(connection.execute(counted).all())
        return {one: events.get(one, 0) for one in ids} | {f"{one}!": n for one, n in events.items() if one not in ids}


@pytest.fixture
def rows(database: Database) -> Rows:
    return Rows(database)


def purge_all(database: Database, clock: Clock, days: int = 30) -> int:
    found = Retention(database)
    before = clock.time - timedelta(days=days)
    deleted = 0
    while number := retrying(lambda: found.purge(before), for_s=30):
        deleted += number
    return deleted


def test_old_ended_processes_are_deleted_with_their_events(rows: Rows, database: Database, clock: Clock) -> None:
    rows.add("ok")
    rows.add("cancelled", Ending(CANCELLED))
    rows.add("error", Ending(ERROR, error={"code": "E"}))
    clock.advance(31 * 86_400)
    rows.add("new")
    assert purge_all(database, clock) == 9
    assert rows.left() == {"new": 2}


def test_process_stays_until_the_last_day_is_over(rows: Rows, database: Database, clock: Clock) -> None:
    rows.add("ok")
    clock.advance(30 * 86_400)
    assert purge_all(database, clock) == 0
    clock.advance(1)
    assert purge_all(database, clock) == 3


def test_process_that_has_not_ended_stays_however_old_it_is(rows: Rows, database: Database, clock: Clock) -> None:
    rows.add("pending", None)
    rows.add("incident", Ending(ERROR, error={"code": "INCIDENT"}, incident_id="i"))
    rows.add("runs in the engine", Ending(CANCELLED, engine_open=True))
    clock.advance(365 * 86_400)
    assert purge_all(database, clock) == 0
    assert rows.left() == {"pending": 2, "incident": 2, "runs in the engine": 2}


def test_process_is_deleted_with_the_last_of_its_events(
    rows: Rows, database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows.add("long", events=retention.EVENTS + 3)
    clock.advance(31 * 86_400)
    before = clock.time - timedelta(days=30)
    assert Retention(database).purge(before) == retention.EVENTS
    assert rows.left() == {"long": 3}
    assert Retention(database).purge(before) == 4
    assert rows.left() == {}


def test_four_that_purge_at_once_delete_each_row_once(rows: Rows, database: Database, clock: Clock) -> None:
    for number in range(120):
        rows.add(f"order-{number}", events=1)
    clock.advance(31 * 86_400)
    assert sum(together(4, lambda _: purge_all(database, clock))) == 240
    assert rows.left() == {}
