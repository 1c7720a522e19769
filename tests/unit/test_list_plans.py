"""Each list of processes is read along an index from the page's first row, without newer rows and without a sort."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bench.seeding import BEGIN, fill
from store.database import Database
from store.finding import CLOCKS_DIFFER, Identifier, Search, Traits
from store.insight import InsightStore
from store.migrate import upgrade
from store.models import process_store
from store.overview import Filters, OverviewStore
from store.process_rows import API, ENGINE, ERROR, OK, NewProcess
from store.processes import ProcessStore

ROWS = 1_000
OLD = {"started_after": BEGIN + timedelta(seconds=200), "started_before": BEGIN + timedelta(seconds=300)}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A thousand processes, one a second."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('plans') / 'store.db'}", pool_size=2, timeout_ms=2_000)
    upgrade(database)
    fill(database, ROWS)
    yield database
    database.dispose()


def plans(database: Database, read: Callable[[ProcessStore], object]) -> list[str]:
    """SQLite's plan of each statement of a read of processes."""
    return plans_of(database, lambda: read(ProcessStore(database)))


def plans_of(database: Database, read: Callable[[], object]) -> list[str]:
    """SQLite's plan of each statement of a read."""
    sent: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool) -> None:
        sent.append((statement, values))

    sa.event.listen(database.engine, "before_cursor_execute", note)
    try:
        read()
    finally:
        sa.event.remove(database.engine, "before_cursor_execute", note)
    with database.read() as connection:
        return [
            "; ".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values))
            for statement, values in sent
        ]


@pytest.mark.parametrize(
    ("filters", "way"),
    [
        ({}, "SCAN process_store"),
        ({"before_seq": 500}, "USING INTEGER PRIMARY KEY (rowid<?)"),
        ({"status": ERROR}, "ix_process_store_status_seq (status=?)"),
        ({"process_key": "p"}, "ix_process_store_process_key_seq (process_key=?)"),
        ({"process_key": "p", "status": ERROR}, "ix_process_store_process_key_status_seq (process_key=? AND status=?)"),
        (OLD, "USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ({"started_after": BEGIN - timedelta(days=1)}, "SCAN process_store"),
        ({"started_before": BEGIN + timedelta(days=1)}, "SCAN process_store"),
        ({"status": ERROR, **OLD}, "ix_process_store_status_seq (status=? AND rowid>? AND rowid<?)"),
        ({"process_key": "p", **OLD}, "ix_process_store_process_key_seq (process_key=? AND rowid>? AND rowid<?)"),
    ],
)
def test_page_is_read_along_its_index(database: Database, filters: dict[str, Any], way: str) -> None:
    *bounds, page = plans(database, lambda store: store.page(limit=10, **filters))
    assert way.replace("rowid", "seq") in page.replace("rowid", "seq")
    assert "TEMP B-TREE" not in page
    assert all("TEMP B-TREE" not in bound for bound in bounds)
    assert all("ix_process_store_started_at (started_at" in bound for bound in bounds)
    assert len(bounds) == sum(name.startswith("started_") for name in filters)


def test_reruns_of_a_process_are_read_along_their_index(database: Database) -> None:
    (page,) = plans(database, lambda store: store.reruns_of("order-1", most=20))
    assert "ix_process_store_rerun_of_seq (rerun_of=?)" in page
    assert "TEMP B-TREE" not in page


@pytest.mark.parametrize("narrowed", [{}, {"process_key": "p"}, {"before_seq": 500}, OLD])
@pytest.mark.parametrize(
    ("traits", "ways"),
    [
        (Traits(batch_id="b"), ["ix_process_store_batch_id_status_seq (batch_id=? AND status=?"] * 4),
        (
            Traits((ERROR, OK), application_id="a", error_code="E"),
            ["ix_process_store_application_id_status_seq (application_id=? AND status=?"] * 2,
        ),
        (Traits(error_code="E"), ["ix_process_store_error_code_seq (error_code=?"]),
        (Traits((ERROR,), failed_step="s"), ["ix_process_store_error_step_seq (error_step=?"]),
        (Traits(incident=True), ["ix_process_store_on_incident"]),
        (Traits((ERROR,), incident=True), ["ix_process_store_on_incident"]),
        (Traits((ERROR,), incident=False), ["ix_process_store_rejected"]),
        (Traits(started_by=ENGINE), ["ix_process_store_started_by_status_seq (started_by=? AND status=?"] * 4),
        (Traits((ERROR,), started_by=ENGINE), ["ix_process_store_started_by_status_seq (started_by=? AND status=?"]),
        (Traits((ERROR, OK)), ["status=?"] * 2),
    ],
)
def test_each_filter_is_read_along_its_index(
    database: Database, traits: Traits, ways: list[str], narrowed: dict[str, Any]
) -> None:
    *_, page = plans(database, lambda store: store.page(limit=10, traits=traits, **narrowed))
    for way in set(ways):
        assert page.count(way) == ways.count(way), page
    assert "TEMP B-TREE" not in page
    assert "SCAN process_store;" not in f"{page};"
    assert "SCAN process_store USING INTEGER" not in page


@pytest.mark.parametrize(
    "narrowed", [{}, {"status": ERROR}, {"process_key": "bench-five", "before_seq": 500}, {"status": ERROR, **OLD}]
)
def test_identifier_is_found_along_its_index_from_the_newest_process(
    database: Database, narrowed: dict[str, Any]
) -> None:
    search = Search(Identifier("accountId", "seed-7"))
    *_, page = plans(database, lambda store: store.page(limit=10, search=search, **narrowed))
    first, second = page.split("; ")
    assert "COVERING INDEX ix_process_identifier_name_value (name=? AND value=?" in first
    assert "process_store USING INTEGER PRIMARY KEY (rowid=?)" in second
    assert ("process_seq<?" in first) == ("before_seq" in narrowed or "started_before" in narrowed)


@pytest.mark.parametrize("narrowed", [{}, {"status": ERROR}, {"process_key": "bench-five", "before_seq": 500}, OLD])
@pytest.mark.parametrize(
    "search",
    [
        Search(Identifier("customerId", "seed-7", is_beginning=True)),
        Search(text="seed-7"),
        Search(text="customerId:seed-7"),
        Search(Identifier("accountId", "seed-7"), "seed-7"),
    ],
)
def test_beginnings_are_cut_before_a_row_is_read(database: Database, search: Search, narrowed: dict[str, Any]) -> None:
    *_, page = plans(database, lambda store: store.page(limit=10, search=search, **narrowed))
    assert page.startswith("SEARCH process_store USING INTEGER PRIMARY KEY (rowid=?)")
    assert "TEMP B-TREE" not in page
    # every part of the lists of keys is a range of an index that has the key
    for step in page.split("; "):
        if "process_identifier" in step or "uq_" in step or "sqlite_autoindex" in step:
            assert "COVERING INDEX" in step
            assert ">?" in step or "value=?" in step


@pytest.mark.parametrize(
    "narrowed", [{}, {"status": ERROR}, {"process_key": "bench-five"}, {"process_key": "bench-five", **OLD}, OLD]
)
def test_search_finds_beginnings_of_ids_along_their_index(database: Database, narrowed: dict[str, Any]) -> None:
    store = OverviewStore(database)
    *_, beginnings = plans_of(database, lambda: store.page(Filters(text="seed-7", **narrowed), limit=10))
    way, inner = beginnings.split("LIST SUBQUERY")
    # The list of keys is cut before a row is read, so the beginning of a million ids costs as little as that of a few.
    assert way.startswith("SEARCH process_store USING INTEGER PRIMARY KEY (rowid=?)")
    assert "USING COVERING INDEX" in inner
    assert "correlation_id>? AND correlation_id<?" in inner
    assert "TEMP B-TREE" not in inner


@pytest.mark.parametrize("status", [None, ERROR])
def test_rows_to_search_are_counted_off_before_any_is_read(database: Database, status: str | None) -> None:
    store = OverviewStore(database)
    first, second, *_ = plans_of(database, lambda: store.page(Filters(text="no such text", status=status), limit=10))
    assert "TEMP B-TREE" not in first + second
    if status is not None:
        assert "USING COVERING INDEX ix_process_store_status_seq (status=?)" in first
        assert "ix_process_store_status_seq (status=? AND seq>?)" in second


def test_present_step_of_a_process_is_read_from_the_end_of_its_events(database: Database) -> None:
    newest, attempts = plans_of(database, lambda: OverviewStore(database).standings(["seed-1", "seed-2"]))
    assert "ix_event_log_correlation_id_seq (correlation_id=?)" in newest
    assert "TEMP B-TREE" not in newest
    assert "SCAN" not in newest + attempts


def test_running_rows_are_found_without_those_that_ended(database: Database) -> None:
    on_incident, pending = plans(database, lambda store: store.running(after_seq=5, limit=10))
    assert "ix_process_store_on_incident" in on_incident
    assert "ix_process_store_status_seq (status=? AND" in pending
    assert "TEMP B-TREE" not in on_incident + pending


def test_whether_a_trace_is_known_is_read_from_an_index(database: Database) -> None:
    (plan,) = plans(database, lambda store: store.has_traceability_id("nobody"))
    assert "ix_process_store_traceability_id (traceability_id=?)" in plan


def test_adjacent_spans_of_time_contain_every_row_once(database: Database) -> None:
    store, found = ProcessStore(database), []
    for begin in range(0, ROWS, 100):
        at = BEGIN + timedelta(seconds=begin)
        rows = store.page(limit=500, started_after=at, started_before=at + timedelta(seconds=100))
        assert all(at <= row.started_at < at + timedelta(seconds=100) for row in rows)
        found += [row.correlation_id for row in rows]
    assert sorted(found) == sorted(f"seed-{number}" for number in range(ROWS))


def test_span_before_or_after_everything_is_empty(database: Database) -> None:
    store = ProcessStore(database)
    assert store.page(limit=10, started_before=BEGIN) == []
    assert store.page(limit=10, started_after=BEGIN + timedelta(seconds=ROWS)) == []
    far = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert len(store.page(limit=10, started_before=far)) == 10
    assert store.page(limit=10, started_after=far) == []
    assert len(store.page(limit=10, started_after=datetime(1, 1, 1, tzinfo=UTC))) == 10
    assert store.page(limit=10, started_before=datetime(1, 1, 1, tzinfo=UTC)) == []


def test_row_of_a_host_whose_clock_is_off_is_found_by_its_time(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'store.db'}", pool_size=2, timeout_ms=2_000)
    upgrade(database)
    store, off = ProcessStore(database), (CLOCKS_DIFFER - timedelta(seconds=2)) / 2
    # in the order in which they were written: one clock is slow, one fast
    for name, at in (("early", BEGIN + off), ("right", BEGIN), ("late", BEGIN - off)):
        new = NewProcess(uuid.uuid4(), name, "0" * 64, "p", {}, "trace")
        assert store.accept(new)
        with database.write() as connection:
            connection.execute(sa.update(process_store).where(process_store.c.id == new.id).values(started_at=at))
    for at, name in ((BEGIN + off, "early"), (BEGIN, "right"), (BEGIN - off, "late")):
        rows = store.page(limit=10, started_after=at, started_before=at + timedelta(seconds=1))
        assert [row.correlation_id for row in rows] == [name]
    database.dispose()


def test_insight_reads_the_rows_of_its_span_along_their_keys(database: Database) -> None:
    begin = BEGIN + timedelta(seconds=300)
    found = plans_of(
        database, lambda: InsightStore(database).look(begin, begin + timedelta(seconds=300), parts=5, wait_ms=1)
    )
    rows = [plan for plan in found if "USE TEMP B-TREE FOR GROUP BY" in plan]
    processes, steps = rows
    assert "SEARCH process_store USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)" in processes
    assert "SEARCH event_log USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)" in steps
    for plan in found:
        assert "SCAN process_store" not in plan
        # These read the newest row, the oldest row, and the row next to a key: one row each.
        assert "COVERING INDEX ix_event_log" not in plan
        assert plan.count("TEMP B-TREE") == (plan in rows)


@pytest.mark.parametrize(
    ("filters", "way"),
    [
        ({}, "ix_process_store_started_by_status_seq (started_by=? AND status=?"),
        ({"before_seq": 500}, "ix_process_store_started_by_status_seq (started_by=? AND status=?"),
        ({"process_key": "p"}, "ix_process_store_process_key_seq (process_key=?"),
    ],
)
def test_processes_that_were_started_here_are_read_along_an_index(
    database: Database, filters: dict[str, Any], way: str
) -> None:
    *_, page = plans(database, lambda store: store.page(limit=10, traits=Traits(started_by=API), **filters))
    assert way in page
    assert "TEMP B-TREE" not in page
