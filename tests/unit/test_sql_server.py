"""The statements of stores and migrations are T-SQL for SQL Server, with the types and predicates that it needs.

Every method of the stores runs on SQLite while its statements are collected. Then each is compiled for SQL Server.
"""

from __future__ import annotations

import inspect
import os
import re
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import sqlglot
from sqlalchemy.dialects import mssql
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable

from bench import seeding
from store import events, processes, webhooks
from store.bookmarks import BookmarkStore
from store.clock import now
from store.database import Database
from store.event_rows import COMPLETED, COMPLETING, OPS, AttemptKey, NewEvent, Progress
from store.events import EventStore
from store.finding import Identifier, Search, Traits
from store.freetds import BEGIN_IF_NONE
from store.identifiers import NewIdentifiers
from store.incidents import IncidentStore
from store.insight import InsightStore
from store.maintenance import HOLD, REFUSE, MaintenanceStore
from store.migrate import ROOT, upgrade
from store.models import metadata
from store.mssql import FILTERED_INDEXES, MIGRATION_LOCK, SESSION, SNAPSHOT_IS_ON
from store.overview import Filters, OverviewStore
from store.personal import PersonalData
from store.process_rows import API, ENGINE, ERROR, OK, Ending, NewProcess
from store.processes import ProcessStore
from store.retention import DueProcess, Retention
from store.topics import TopicStore
from store.types import BINARY_COLLATION
from store.webhooks import DELIVERED, PENDING, Outcome, WebhookStore

#: seconds that alembic may take to write its script
PATIENCE_S = 60


def parsed(statement: str) -> list[Any]:
    """Parse a statement with sqlglot, which raises ParseError if it is no T-SQL."""
    return sqlglot.parse(statement, read="tsql", error_level=sqlglot.ErrorLevel.RAISE)


def public_methods(store: type) -> set[str]:
    return {name for name, value in inspect.getmembers(store, callable) if not name.startswith("_")}


class Calls:
    """Calls methods of a store, and records the statements of each."""

    def __init__(self, database: Database) -> None:
        self.sent: dict[str, list[str]] = {}
        self._now: list[str] = []
        sa.event.listen(database.engine, "before_execute", self._note)

    def _note(self, _: object, element: Any, many: Any, one: dict[str, Any], _options: object) -> None:
        values = one or (many[0] if many else {})
        columns = list(values) if isinstance(element, sa.Insert) else None
        compiled = element.compile(dialect=mssql.dialect(), column_keys=columns)
        # with the lists of IN and the literals, which are inserted when a statement is executed
        self._now.append(compiled.construct_expanded_state(values).statement)

    def __call__(self, method: Any, *args: Any, **named: Any) -> Any:
        self._now = self.sent.setdefault(f"{type(method.__self__).__name__}.{method.__name__}", [])
        return method(*args, **named)


@contextmanager
def moved_clock() -> Iterator[None]:
    """Move the stores' clock far into the future, so that all rows are old."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (events, processes, webhooks):
            patch.setattr(module, "now", lambda: datetime(2100, 1, 1, tzinfo=UTC))
        yield


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[str]]]:
    """Method -> its statements, compiled for SQL Server."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('sql') / 'store.db'}", pool_size=2, timeout_ms=2_000)
    upgrade(database)
    calls = Calls(database)
    walk_processes(calls, ProcessStore(database), database)
    walk_events(calls, EventStore(database), ProcessStore(database))
    bookmarks = BookmarkStore(database)
    calls(bookmarks.put, "sweep", "1")
    calls(bookmarks.put, "sweep", "2")
    calls(bookmarks.get, "sweep")
    calls(bookmarks.get_or_put, "key", "1")
    walk_webhooks(calls, WebhookStore(database), database)
    walk_monitor(calls, OverviewStore(database), InsightStore(database))
    walk_topics(calls, TopicStore(database))
    walk_maintenance(calls, MaintenanceStore(database))
    calls(IncidentStore(database).page, limit=10, before_seq=5, process_key="p", step="s")
    walk_personal(calls, PersonalData(database), ProcessStore(database))
    calls(Retention(database).due, datetime(9000, 1, 1, tzinfo=UTC))
    calls(Retention(database).purge, datetime(9000, 1, 1, tzinfo=UTC))
    calls(Retention(database).purge_one, DueProcess(1, "order-1"), datetime(9000, 1, 1, tzinfo=UTC))
    yield calls.sent
    database.dispose()


def walk_processes(calls: Calls, store: ProcessStore, database: Database) -> None:
    new = NewProcess(uuid.uuid4(), "order-1", "0" * 64, "p", {"n": None}, "trace", searched={"a": "1", "b": "2"})
    other = NewProcess(uuid.uuid4(), "order-2", "0" * 64, "p", {}, "trace", priority=-1)
    calls(store.accept, new)
    calls(store.accept, other)
    calls(store.claim, new.id, "token", for_s=30)
    calls(store.release_claim, new.id, "token", is_first=True)
    calls(store.release_claim, new.id, "token", is_first=False)
    calls(store.claim, new.id, "token", for_s=30)
    calls(store.record_instance, new.id, "pi", while_pending=True)
    calls(store.record_instance, new.id, "pi")
    calls(store.by_id, new.id)
    calls(store.by_correlation_id, "order-1")
    calls(store.by_instance_id, "pi")
    calls(store.has_traceability_id, "trace")
    calls(store.by_ids, [new.id, other.id])
    calls(store.by_instance_ids, ["pi", "pi-2"])
    calls(store.running, after_seq=0, limit=10)
    calls(store.with_open_incident, after_seq=0, limit=5)
    with moved_clock():
        taken = calls(store.claim_unstarted, untouched_for_s=1, limit=10)
    calls(store.release, taken)
    calls(store.count_unstarted)
    calls(store.count_running)
    calls(store.count_running, started_here=True)
    calls(store.settle, new.id, Ending(ERROR, error={"code": "E"}), process_instance_id="pi")
    calls(store.settle, new.id, Ending(OK), process_instance_id="pi", only_answer_is_of="task")
    calls(store.settle, new.id, Ending(OK), by_ops=True)
    calls(store.reopen, new.id)
    calls(store.reopen, new.id, incident_id="i")
    with database.write() as connection:
        calls(store.settle, new.id, Ending(OK, result=[1]), connection=connection)
    calls(store.page, limit=10)
    calls(store.page, limit=10, before_seq=5, status=OK, process_key="p")
    calls(store.page, limit=10, started_after=now(), started_before=now())
    exact, beginning = Identifier("orderId", "4711"), Identifier("orderId", "47", is_beginning=True)
    calls(store.page, limit=10, search=Search(exact), before_seq=5, status=OK, started_after=now())
    calls(store.page, limit=10, search=Search(beginning, "orderId:4"), before_seq=5, process_key="p")
    for traits in (
        Traits((OK, ERROR)),
        Traits((ERROR,), incident=False),
        Traits(incident=True, error_code="E"),
        Traits((OK,), started_by=API),
        Traits(started_by=ENGINE),
        Traits((OK, ERROR), batch_id="b", application_id="a", failed_step="s"),
    ):
        calls(store.page, limit=10, traits=traits, process_key="p")
        calls(store.count, most=10, traits=traits, search=Search(text="a"))
    calls(store.is_cut, Search(beginning, "orderId:4"))
    calls(store.reruns_of, "order-1", most=20)
    calls(store.open_in_engine, limit=10)
    calls(store.postpone_close, new.id)
    calls(store.close_in_engine, new.id)


def walk_events(calls: Calls, store: EventStore, processes: ProcessStore) -> None:
    process = NewProcess(uuid.uuid4(), "order-4", "0" * 64, "p", {}, "trace")
    assert processes.accept(process)
    found = NewIdentifiers(process.id, {"orderId": "1", "userId": "2"}, {"orderId": 1, "userId": "2"})
    first, second = (NewEvent("trace", "step", external_task_id="task", lock_token=token) for token in ("1", "2"))
    calls(store.begin, first)
    calls(store.progress, AttemptKey("task", "1"), Progress(COMPLETED, {"n": 1}))
    calls(store.begin, second, confirm=AttemptKey("task", "1"))
    foreign = NewProcess(uuid.uuid4(), "order-9", "", "p", {}, "pi-9", process_instance_id="pi-9", started_by=ENGINE)
    calls(store.begin, NewEvent("pi-9", "s", external_task_id="task-9", lock_token="1"), process=foreign)
    calls(store.close, AttemptKey("task", "2"), COMPLETED)
    calls(store.forget_outcomes, "order-1", "pi")
    calls(store.record, NewEvent("trace", "retry", OPS))
    calls(store.by_traceability_id, "trace", after_seq=1)
    calls(store.by_correlation_id, "order-1")
    calls(store.phases_of, "order-1", after_seq=1)
    calls(store.open_answers, "order-1", "pi")
    calls(store.newest_attempt)
    calls(store.newest_phases_of, "order-1", limit=10)
    calls(store.by_execution_id, uuid.uuid4())
    store.begin(NewEvent("trace", "step", external_task_id="task", lock_token="3"))
    with moved_clock():
        taken = calls(store.claim_open_attempts, untouched_for_s=1, limit=10)
    calls(store.release, taken)
    calls(store.take_over, AttemptKey("task", "3"), Progress(COMPLETING, kept_outcome={"n": 1}), identifiers=found)
    calls(store.forget_outcomes, "order-1", "pi")


def walk_webhooks(calls: Calls, store: WebhookStore, database: Database) -> None:
    process_id = uuid.uuid4()
    with database.write() as connection:
        given = {"process_id": process_id, "correlation_id": "order-1", "url": "https://h/", "payload": {"n": None}}
        claim = calls(store.add, connection, **given, for_s=1)
    with moved_clock():
        (claim,) = calls(store.claim_due, limit=10, for_s=1)
    calls(store.release, [claim])
    with moved_clock():
        (claim,) = store.claim_due(limit=10, for_s=1)
    for outcome in (Outcome(PENDING, now(), counted=False), Outcome(PENDING, now(), 500, "e"), Outcome(DELIVERED)):
        _, held = calls(store.begin, claim, for_s=1)
        assert calls(store.record, held, outcome)
        if outcome.status == PENDING:
            with moved_clock():
                (claim,) = store.claim_due(limit=10, for_s=1)
    calls(store.latest, process_id)


def walk_monitor(calls: Calls, overview: OverviewStore, insight: InsightStore) -> None:
    span = {"started_after": now(), "started_before": now()}
    calls(overview.page, Filters(), limit=10)
    calls(overview.page, Filters(status=OK, process_key="p", text="t", **span), limit=10)
    calls(overview.page, Filters(text="order"), limit=10)
    calls(overview.page, Filters(search=Search(text="order")), limit=10)
    calls(overview.is_cut, Filters(search=Search(text="order")))
    calls(overview.counts, Filters(process_key="p", **span))
    calls(overview.standings, ["order-1"])
    calls(insight.look, now(), now(), parts=3, wait_ms=1)


def walk_topics(calls: Calls, store: TopicStore) -> None:
    event = NewEvent("topic:t", "pause", OPS, actor="ada")
    assert calls(store.pause, {"t": event}, "why")
    assert calls(store.resume, {"t": event})
    calls(store.limit, "t", {"max_concurrency": 2, "rate": "5/second"}, event)
    assert [row.topic for row in calls(store.all)] == ["t"]


def walk_maintenance(calls: Calls, store: MaintenanceStore) -> None:
    event = NewEvent("maintenance", "maintenance on", OPS, actor="ada")
    calls(store.begin, "why", REFUSE, datetime(2100, 1, 1, tzinfo=UTC), event)
    calls(store.begin, "why else", HOLD, None, event)
    found = calls(store.current)
    assert (found.reason, found.starts, found.until) == ("why else", HOLD, None)
    assert calls(store.end, event)
    assert calls(store.current) is None


def walk_personal(calls: Calls, data: PersonalData, processes: ProcessStore) -> None:
    new = NewProcess(uuid.uuid4(), "order-3", "0" * 64, "p", {}, "trace")
    assert processes.accept(new)
    calls(data.events, "order-3", after_seq=1)
    calls(data.identifiers, 1)
    calls(data.webhooks, new.id)
    assert processes.settle(new.id, Ending(OK))
    assert calls(data.erase, new.id, "order-3", NewEvent("erasure:1", "erase", OPS, actor="ada"))


def test_every_method_of_the_stores_was_walked(sent: dict[str, list[str]]) -> None:
    expected = {
        f"{store.__name__}.{name}"
        for store in (
            *(ProcessStore, EventStore, BookmarkStore, Retention, WebhookStore),
            *(TopicStore, MaintenanceStore, IncidentStore, PersonalData, OverviewStore, InsightStore),
        )
        for name in public_methods(store)
    }
    assert set(sent) == expected
    assert all(sent.values())


def test_every_statement_is_t_sql(sent: dict[str, list[str]]) -> None:
    for method, statements in sent.items():
        for statement in statements:
            assert len(parsed(statement)) == 1, (method, statement)


def test_no_statement_needs_what_sql_server_lacks(sent: dict[str, list[str]]) -> None:
    for statement in (statement for statements in sent.values() for statement in statements):
        assert not re.search(r"\b(LIMIT|RETURNING|ON CONFLICT|BOOLEAN|ILIKE)\b|\|\|", statement), statement
        # A collation inside CAST is no T-SQL, although sqlglot accepts it.
        assert not re.search(r"CAST\([^()]*(\([^()]*\))? COLLATE", statement), statement
        # OUTPUT fails on tables with triggers, and costs time although the new key is not used.
        assert "OUTPUT" not in statement, statement


@pytest.mark.parametrize(
    ("method", "predicate"),
    [
        ("ProcessStore.claim_unstarted", "process_store.status = 'pending'"),
        ("ProcessStore.claim_unstarted", "process_store.process_instance_id IS NULL"),
        ("ProcessStore.count_unstarted", "process_store.status = 'pending'"),
        ("ProcessStore.count_unstarted", "process_store.process_instance_id IS NULL"),
        ("ProcessStore.count_running", "process_store.status = 'pending'"),
        ("ProcessStore.count_running", "process_store.process_instance_id IS NOT NULL"),
        ("ProcessStore.open_in_engine", "process_store.engine_open = 1"),
        ("EventStore.claim_open_attempts", "event_log.phase IN ('started', 'completing')"),
        ("WebhookStore.claim_due", "webhook_delivery.status = 'pending'"),
        ("EventStore.progress", "phase IN ('started', 'completing')"),
        ("EventStore.close", "phase IN ('started', 'completing')"),
        ("EventStore.release", "phase IN ('started', 'completing')"),
    ],
)
def test_predicates_of_filtered_indexes_are_literals(sent: dict[str, list[str]], method: str, predicate: str) -> None:
    plain = [
        # as in the filters, whose texts have no N before them
        flat(statement)
        for statement in sent[method]
    ]
    # Statements that lock rows find them by the index, and update them by their ids.
    asked = plain[:1] if ".take_" in method else plain
    assert all(predicate in statement for statement in asked), plain


TAKEN_BY = {
    "ProcessStore.claim_unstarted": ("process_store", "ix_process_store_unstarted"),
    "EventStore.claim_open_attempts": ("event_log", "ix_event_log_open"),
    "WebhookStore.claim_due": ("webhook_delivery", "ix_webhook_delivery_due"),
    "Retention.purge": ("process_store", "ix_process_store_finished"),
}


@pytest.mark.parametrize("method", TAKEN_BY)
def test_rows_are_locked_and_rows_that_others_have_locked_are_skipped(sent: dict[str, list[str]], method: str) -> None:
    table, index = TAKEN_BY[method]
    first, *_, last = (flat(statement) for statement in sent[method])
    hint = f"WITH (UPDLOCK, READPAST, ROWLOCK, INDEX({index}))"
    assert re.match(rf"SELECT TOP \S+ .* FROM {table} {re.escape(hint)} WHERE", first)
    # by the key, which the first statement has locked, so that the update waits for no other lock
    marks = rf"(UPDATE|DELETE FROM) {table} WITH \(READPAST, ROWLOCK\) (SET .* )?WHERE {table}.seq IN \("
    assert re.match(marks, last)


def test_read_of_earlier_attempts_lets_no_other_attempt_of_the_task_begin(sent: dict[str, list[str]]) -> None:
    # one statement for a first attempt, and one more read for a second one
    first, _, look, *_ = [flat(statement) for statement in sent["EventStore.begin"]]
    index = "uq_event_log_external_task_id_lock_token"
    hint = f"WITH (UPDLOCK, HOLDLOCK, ROWLOCK, INDEX({index}), FORCESEEK)"
    earlier = f"FROM event_log {hint} WHERE event_log.external_task_id = :new_external_task_id"
    assert first.startswith("INSERT INTO event_log")
    assert f"WHERE NOT (EXISTS (SELECT event_log.seq {earlier}))" in first
    assert f"{earlier} ORDER BY" in look


def test_table_that_is_changed_takes_no_hint_that_names_an_index(sent: dict[str, list[str]]) -> None:
    # sqlglot accepts it, but SQL Server answers error 1069.
    for statement in (statement for statements in sent.values() for statement in statements):
        assert not re.match(r"(UPDATE|DELETE FROM) \w+ WITH \([^)]*(INDEX|FORCESEEK)", statement), statement


def test_indexes_that_statements_name_are_those_of_the_tables(sent: dict[str, list[str]]) -> None:
    there = {str(index.name) for table in metadata.sorted_tables for index in table.indexes}
    # A unique constraint is an index with its name.
    constraints = (constraint for table in metadata.sorted_tables for constraint in table.constraints)
    there |= {str(constraint.name) for constraint in constraints if isinstance(constraint, sa.UniqueConstraint)}
    named = re.findall(
        r"INDEX\((\w+)\)", " ".join(statement for statements in sent.values() for statement in statements)
    )
    assert len(set(named)) == 10
    assert set(named) <= there


def test_running_rows_are_read_along_two_indexes(sent: dict[str, list[str]]) -> None:
    plain = [flat(text) for text in sent["ProcessStore.running"]]
    on_incident, pending = plain
    assert "process_store.incident_id IS NOT NULL" in on_incident
    assert "process_store.status = 'pending'" in pending
    assert " OR " not in on_incident + pending


def test_retention_deletes_a_bounded_number_of_rows_at_once(sent: dict[str, list[str]]) -> None:
    events, deliveries, processes = (" ".join(statement.split()) for statement in sent["Retention.purge"][1:])
    assert re.match(
        r"DELETE FROM event_log WHERE event_log.seq IN \(SELECT TOP \S+ old.seq FROM event_log AS old"
        r" WITH \(INDEX\(ix_event_log_correlation_id_seq\)\) WHERE",
        events,
    )
    assert re.match(r"DELETE FROM webhook_delivery WHERE webhook_delivery.process_id IN \(", deliveries)
    assert re.match(r"DELETE FROM process_store WITH \(.*\) WHERE process_store.seq IN \(", processes)


def test_every_parameter_is_beside_a_column_with_a_type(sent: dict[str, list[str]]) -> None:
    # If the driver must ask for a type, the server derives it from the column beside the parameter.
    for statement in (statement for statements in sent.values() for statement in statements):
        assert not re.search(r":\w+ (IS|IN|=|<|>)|coalesce\(:|= :\w+ = ", statement), statement


def test_lookups_by_instance_and_task_imply_their_indexes_filters(sent: dict[str, list[str]]) -> None:
    # `column = value` and `column IN (...)` imply IS NOT NULL, which is the filter of these indexes.
    assert all("process_instance_id = :" in text for text in sent["ProcessStore.by_instance_id"])
    assert all("process_instance_id IN (" in text for text in sent["ProcessStore.by_instance_ids"])
    assert any("external_task_id = :" in text for text in sent["EventStore.begin"])


def alembic(*arguments: str) -> str:
    environment = {**os.environ, "DATABASE_URL": "sqlite:///:memory:"}
    program = str(Path(sys.executable).parent / "alembic")
    done = subprocess.run(
        [program, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_unknown_dialect_is_named() -> None:
    with pytest.raises(AssertionError, match="dialect=oracle is unknown; it must be one of mssql, sqlite"):
        alembic("-x", "dialect=oracle", "upgrade", "head", "--sql")


def test_script_for_sqlite_runs_on_sqlite() -> None:
    with sqlite3.connect(":memory:") as connection:
        connection.executescript(alembic("-x", "dialect=sqlite", "upgrade", "head", "--sql"))
        assert connection.execute("SELECT count(*) FROM process_store").fetchone() == (0,)


@pytest.fixture(scope="module")
def script() -> str:
    """The migrations as a script for database administrators."""
    return alembic("-x", "dialect=mssql", "upgrade", "head", "--sql")


def batches(script: str) -> list[str]:
    return [batch.strip() for batch in re.split(r"^\s*GO\s*$", script, flags=re.MULTILINE) if batch.strip()]


def flat(text: str) -> str:
    return " ".join(text.replace("[", "").replace("]", "").split())


@pytest.mark.parametrize("direction", ["upgrade", "downgrade"])
def test_script_begins_with_what_filtered_indexes_need(direction: str) -> None:
    first, second, *_ = batches(
        alembic("-x", "dialect=mssql", direction, "head" if direction == "upgrade" else "head:base", "--sql")
    )
    options = ("ANSI_NULLS", "ANSI_PADDING", "ANSI_WARNINGS", "ARITHABORT", "CONCAT_NULL_YIELDS_NULL", "XACT_ABORT")
    assert all(f"SET {option} ON;" in first for option in (*options, "QUOTED_IDENTIFIER"))
    assert "SET NUMERIC_ROUNDABORT OFF;" in first
    # They apply to the batch that is parsed next.
    assert "BEGIN TRANSACTION" not in first
    assert second.startswith("BEGIN TRANSACTION")


@pytest.mark.parametrize(
    "statement",
    ["SELECT 1", SESSION.format(2_500), FILTERED_INDEXES, str(SNAPSHOT_IS_ON), str(MIGRATION_LOCK), BEGIN_IF_NONE],
)
def test_statements_written_as_text_are_t_sql(statement: str) -> None:
    assert parsed(statement)


def test_statements_that_seed_a_benchmark_are_t_sql() -> None:
    sent: list[str] = []
    engine = sa.create_mock_engine(
        "mssql+pyodbc://", lambda element, *_: sent.append(str(element.compile(dialect=mssql.dialect())))
    )
    seeding._insert(engine, 0, 12)  # type: ignore[arg-type]
    for statement in sent:
        assert len(parsed(statement)) == 1, statement
        assert not re.search(r"\b(LIMIT|RETURNING)\b|\|\|", statement), statement
    assert len(sent) == 1 + 2 + seeding.EVENTS_A_TRACE


def test_every_batch_of_the_migrations_is_t_sql(script: str) -> None:
    found = batches(script)
    assert len(found) > 10
    for batch in found:
        assert parsed(batch), batch


def test_downgrade_script_is_t_sql() -> None:
    script = alembic("-x", "dialect=mssql", "downgrade", "head:base", "--sql")
    assert all(parsed(batch) for batch in batches(script))
    assert {"DROP TABLE bookmark;", "DROP TABLE event_log;", "DROP TABLE process_store;"} <= set(
        flat(script).replace("DROP", "\nDROP").replace(";", ";\n").splitlines()
    )


@pytest.mark.parametrize(
    "column",
    [
        "seq BIGINT NOT NULL IDENTITY",
        "id UNIQUEIDENTIFIER NOT NULL",
        f"correlation_id NVARCHAR(200) COLLATE {BINARY_COLLATION} NOT NULL",
        f"process_key NVARCHAR(200) COLLATE {BINARY_COLLATION} NOT NULL",
        f"status NVARCHAR(16) COLLATE {BINARY_COLLATION} NOT NULL",
        "engine_open BIT NOT NULL",
        "variables NVARCHAR(max) NOT NULL",
        "result NVARCHAR(max) NULL",
        "callback_url NVARCHAR(2000) NULL",
        "started_at DATETIME2(3) NOT NULL",
        "finished_at DATETIME2(3) NULL",
        "ALTER TABLE process_store ADD priority SMALLINT NULL;",
        "execution_id UNIQUEIDENTIFIER NOT NULL",
        f"external_task_id NVARCHAR(64) COLLATE {BINARY_COLLATION} NULL",
        f"lock_token NVARCHAR(128) COLLATE {BINARY_COLLATION} NULL",
        "business_action_response NVARCHAR(max) NULL",
        "error_details NVARCHAR(max) NULL",
        "execution_time INTEGER NULL",
    ],
)
def test_column_has_the_type_that_it_needs(script: str, column: str) -> None:
    assert column in flat(script)


def test_no_column_is_of_a_type_that_loses_characters_or_milliseconds(script: str) -> None:
    tables = [batch for batch in batches(script) if "CREATE TABLE" in batch and "alembic_version" not in batch]
    assert len(tables) == 7
    for table in tables:
        assert not re.search(r"(?<!N)VARCHAR|(?<!N)TEXT\b|NTEXT|DATETIME\b(?!2)|DATETIME2(?!\(3\))|FLOAT", table), table


@pytest.mark.parametrize(
    ("index", "filtered"),
    [
        (
            "INDEX ix_process_store_unstarted ON process_store (updated_at)",
            "process_instance_id IS NULL AND status = 'pending'",
        ),
        ("INDEX ix_process_store_engine_open ON process_store (updated_at)", "engine_open = 1"),
        ("INDEX ix_process_store_on_incident ON process_store (seq)", "incident_id IS NOT NULL"),
        (
            "INDEX ix_process_store_rejected ON process_store (seq)",
            "incident_id IS NULL AND status <> 'ok' AND status <> 'pending' AND status <> 'cancelled'",
        ),
        ("INDEX ix_process_store_error_code_seq ON process_store (error_code, seq)", "error_code IS NOT NULL"),
        ("INDEX ix_process_store_finished ON process_store (finished_at)", "finished_at IS NOT NULL"),
        (
            "INDEX ix_process_store_process_instance_id ON process_store (process_instance_id)",
            "process_instance_id IS NOT NULL",
        ),
        (
            "UNIQUE INDEX uq_event_log_external_task_id_lock_token ON event_log (external_task_id, lock_token)",
            "external_task_id IS NOT NULL",
        ),
        ("INDEX ix_webhook_delivery_due ON webhook_delivery (next_at)", "status = 'pending'"),
        ("INDEX ix_event_log_open ON event_log (updated_at)", "phase IN ('started', 'completing')"),
    ],
)
def test_index_is_filtered(script: str, index: str, filtered: str) -> None:
    assert f"CREATE {index} WHERE {filtered}" in flat(script)


def test_script_creates_the_tables_of_the_models(script: str) -> None:
    said = flat(script)
    for table in metadata.sorted_tables:
        for element in (CreateTable(table), *(CreateIndex(index) for index in table.indexes)):
            statement = flat(str(element.compile(dialect=mssql.dialect())))
            for column in added_later(table, said):
                statement = statement.replace(f", {column}", "", 1)
            assert statement in said, statement


def added_later(table: sa.Table, said: str) -> list[str]:
    """The definitions of columns that were added to a table after its creation."""
    columns = [flat(str(CreateColumn(column).compile(dialect=mssql.dialect()))) for column in table.columns]
    return [column for column in columns if f"ALTER TABLE {table.name} ADD {column};" in said]


def test_collation_comes_with_the_names_of_the_keys() -> None:
    for table, column in (
        ("process_store", "correlation_id"),
        ("bookmark", "name"),
        ("event_log", "lock_token"),
        ("process_identifier", "value"),
    ):
        kind = metadata.tables[table].c[column].type.dialect_impl(mssql.dialect())
        assert getattr(kind, "collation", None) == BINARY_COLLATION or BINARY_COLLATION in str(
            metadata.tables[table].c[column].type.compile(mssql.dialect())
        )
