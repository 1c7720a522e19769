"""The calls that reach the driver: SQLAlchemy's own dialect with pyodbc's constants, on a connection that records them.

`test_sql_server.py` compiles statements. These tests check what is added when statements are executed: parameter types,
session settings, transactions, locks.
"""

from __future__ import annotations

import re
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from store import clock, mssql
from store.clock import now
from store.database import Database
from store.driver import Driver, load_pyodbc, parse_url
from store.errors import DatabaseUnavailable, MigrationRunning
from store.event_rows import COMPLETING, OPS, AttemptKey, NewEvent, Progress
from store.events import EventStore
from store.freetds import BEGIN_IF_NONE
from store.migrate import alembic_config
from store.models import event_log
from store.mssql import CHECK_AFTER_S, MIGRATION_STATEMENT_S, create_mssql, migration_connection, reads_without_locks
from store.process_rows import CANCELLED, ERROR, OK, Ending, NewProcess
from store.processes import ProcessStore
from store.webhooks import DELIVERED, PENDING, Claim, Outcome, WebhookStore

pyodbc = load_pyodbc()

URL = "mssql+pyodbc://app:x@server/db?driver={}"

#: query of SQLAlchemy to a new server -> answer of a SQL Server 2022
SERVER = {
    "ProductVersion": "16.0.4135.4",
    "schema_name": "dbo",
    "sys.system_views": "dm_exec_sessions",
    "dm_exec_sessions": "READ COMMITTED",
    "nvarchar(max)": "x",
}


DUPLICATE = (
    "[23000] [FreeTDS][SQL Server]Violation of UNIQUE KEY constraint 'uq_process_store_correlation_id'. "
    "The duplicate key value is (order-1). (2627) (SQLExecDirectW)"
)


class Wire:
    """A connection without a server: it records all that is sent. `answers`: part of a statement -> its value."""

    def __init__(self, answers: dict[str, Any] | None = None) -> None:
        self.sent: list[tuple[str, tuple[Any, ...]]] = []
        self.sizes: list[list[Any]] = []
        self.timeout = 0
        self.autocommit = False
        self.closed = False
        self.commits = 0
        self.rollbacks = 0
        self.is_broken = False
        self.refuses: str | None = None
        self.answers = {**SERVER, **(answers or {})}

    def cursor(self) -> Cursor:
        return Cursor(self)

    def commit(self) -> None:
        self.commits += 1

    def rollback(self) -> None:
        self.rollbacks += 1

    def close(self) -> None:
        self.closed = True

    def add_output_converter(self, *_: Any) -> None: ...

    def statements(self) -> list[str]:
        return [" ".join(text.split()) for text, _ in self.sent]


class Cursor:
    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.description: list[tuple[Any, ...]] | None = None
        self.rowcount = 1
        self.rows: list[tuple[Any, ...]] = []

    def setinputsizes(self, sizes: list[Any]) -> None:
        self.wire.sizes.append(sizes)

    def execute(self, statement: str, parameters: tuple[Any, ...] = ()) -> Cursor:
        self.wire.sent.append((statement, tuple(parameters)))
        if self.wire.is_broken:
            raise pyodbc.OperationalError("08S01", "[08S01] Communication link failure (0) (SQLExecDirectW)")
        if self.wire.refuses and self.wire.refuses in statement:
            raise pyodbc.IntegrityError("23000", DUPLICATE)
        if "SELECT" in statement and not statement.startswith(("UPDATE", "INSERT", "DELETE")):
            self.description = [(f"c{number}", str, None, None, None, None, True) for number in range(40)][:1]
            self.rows = [(value,) for part, value in self.wire.answers.items() if part.lower() in statement.lower()][:1]
        return self

    def executemany(self, statement: str, many: list[tuple[Any, ...]]) -> None:
        raise AssertionError(f"one round trip a row: {statement}")

    def fetchone(self) -> tuple[Any, ...] | None:
        return self.rows.pop(0) if self.rows else None

    def fetchall(self) -> list[tuple[Any, ...]]:
        rows, self.rows = self.rows, []
        return rows

    def nextset(self) -> bool:
        return False

    def close(self) -> None: ...


class OnWire:
    """The part of :class:`store.database.Database` that the stores use, with a recording connection."""

    def __init__(
        self, wire: Wire, driver: str = "ODBC Driver 18 for SQL Server", *, reading: Wire | None = None
    ) -> None:
        url = parse_url(URL.format(driver))

        def engine(to: Wire, **options: Any) -> sa.Engine:
            return create_mssql(
                url,
                Driver(driver, driver),
                2_500,
                module=pyodbc,
                creator=lambda: to,
                **options,
            )

        self.engine = engine(wire)
        self.write = self.engine.begin
        self.read = engine(reading or wire, isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True).connect
        self.write_one = self.read


@pytest.fixture
def wire() -> Wire:
    return Wire()


def sent_by(wire: Wire, work: Any) -> list[str]:
    """The statements of `work`, without those that open the connection."""
    before = len(wire.sent)
    work()
    return wire.statements()[before:]


def ready(wire: Wire, driver: str = "ODBC Driver 18 for SQL Server") -> Any:
    database = OnWire(wire, driver)
    for opens_a_connection in (database.engine.connect, database.read):
        with opens_a_connection():
            pass
    wire.sizes.clear()
    return database


def test_session_has_what_filtered_indexes_and_guarded_updates_need(wire: Wire) -> None:
    ready(wire)
    # of the connection for transactions, and of the connection for single statements
    sessions = [text for text in wire.statements() if "QUOTED_IDENTIFIER ON" in text]
    assert len(sessions) == 2
    for option in (
        "NOCOUNT OFF",
        "XACT_ABORT ON",
        "NUMERIC_ROUNDABORT OFF",
        "LOCK_TIMEOUT 2500",
        "TEXTSIZE 2147483647",
    ):
        assert all(f"SET {option}" in session for session in sessions)
    assert wire.timeout == 2
    assert wire.commits >= 1


def test_insert_reads_no_key_back(wire: Wire) -> None:
    store = ProcessStore(ready(wire))
    new = NewProcess(uuid.uuid4(), "order-1", "h", "p", {"n": 1}, "trace")
    (statement,) = [text for text in sent_by(wire, lambda: store.accept(new)) if "INSERT" in text]
    assert "scope_identity" not in statement
    assert "OUTPUT" not in statement


def test_texts_are_bound_at_one_length_whatever_their_value(wire: Wire) -> None:
    store = ProcessStore(ready(wire))
    for text in ("a", "a longer one"):
        store.by_correlation_id(text)
    assert [size for size in wire.sizes if size] == [[(pyodbc.SQL_WVARCHAR, 4000, 0)]] * 2


def test_json_is_bound_without_a_length(wire: Wire) -> None:
    store = EventStore(ready(wire))
    store.progress(AttemptKey("task", "token"), Progress("completing", {"n": 1}))
    (sizes,) = [size for size in wire.sizes if size]
    assert (pyodbc.SQL_WVARCHAR, 0, 0) in sizes
    assert (pyodbc.SQL_WVARCHAR, 4000, 0) in sizes


def test_freetds_chooses_the_types_itself(wire: Wire) -> None:
    EventStore(ready(wire, "FreeTDS")).progress(AttemptKey("task", "token"), Progress("completing", {"n": 1}))
    assert wire.sizes == []


def test_ids_are_bound_as_uuids(wire: Wire) -> None:
    process_id = uuid.uuid4()
    ProcessStore(ready(wire)).close_in_engine(process_id)
    assert process_id in wire.sent[-1][1]


@pytest.mark.parametrize("status", [OK, ERROR, CANCELLED])
@pytest.mark.parametrize("answer", [None, "task"])
def test_guarded_update_is_one_statement_without_a_condition_on_parameters(
    wire: Wire, status: str, answer: str | None
) -> None:
    store = ProcessStore(ready(wire))
    for ending in (Ending(status), Ending(status, [1], {"code": "E"}, {"userId": "u"}, "incident")):
        for instance in (None, "pi"):
            (statement,) = sent_by(
                wire,
                lambda ending=ending, instance=instance: store.settle(  # type: ignore[misc]
                    uuid.uuid4(), ending, process_instance_id=instance, only_answer_is_of=answer
                ),
            )
            assert not re.search(r"\? (IS|IN|=|<|>)|CAST\(\?|coalesce", statement), statement


def test_no_parameter_is_null(wire: Wire) -> None:
    # pyodbc asks the server for the type of each NULL: a round trip and a compilation.
    database = ready(wire)
    processes, events, webhooks = ProcessStore(database), EventStore(database), WebhookStore(database)
    new = NewProcess(uuid.uuid4(), "order-1", "h", "p", {"n": None}, "trace")
    processes.accept(new)
    processes.release_claim(new.id, "token", is_first=True)
    processes.record_instance(new.id, "pi")
    for status in (OK, ERROR, CANCELLED):
        processes.settle(new.id, Ending(status))
    processes.reopen(new.id)
    events.begin(NewEvent("t", "s", external_task_id="task", lock_token="token"))
    events.record(NewEvent("t", "s", OPS))
    events.progress(AttemptKey("task", "token"), Progress(COMPLETING))
    claim = Claim(uuid.uuid4(), "token")
    for outcome in (Outcome(DELIVERED), Outcome(PENDING, now()), Outcome(PENDING, now(), counted=False)):
        webhooks.record(claim, outcome)
    webhooks.release([claim])
    writes = [(text, values) for text, values in wire.sent if text.startswith(("INSERT", "UPDATE"))]
    assert len(writes) == 14
    assert [text for text, values in writes if None in values] == []


@pytest.mark.parametrize(("driver", "rollback"), [("FreeTDS", [BEGIN_IF_NONE]), ("ODBC Driver 18 for SQL Server", [])])
def test_rollback_hides_no_error_when_the_server_has_rolled_back_already(
    wire: Wire, driver: str, rollback: list[str]
) -> None:
    database = OnWire(wire, driver, reading=Wire())
    enter(database.engine)
    store = EventStore(database)  # type: ignore[arg-type]
    wire.refuses = "INSERT"
    rollbacks = wire.rollbacks
    before = len(wire.sent)
    event = NewEvent("t", "s", external_task_id="task", lock_token="token")
    assert store.begin(event, confirm=AttemptKey("task", "0")) is None
    assert wire.statements()[before + 1 :] == rollback
    assert wire.rollbacks == rollbacks + 1


def test_lone_statement_that_is_refused_has_nothing_to_roll_back(wire: Wire) -> None:
    store = ProcessStore(ready(wire, "FreeTDS"))
    wire.refuses = "INSERT"
    rollbacks = wire.rollbacks
    assert sent_by(wire, lambda: store.accept(NewProcess(uuid.uuid4(), "order-1", "h", "p", {}, "trace")))[1:] == []
    assert wire.rollbacks == rollbacks


def test_reading_through_freetds_begins_no_transaction() -> None:
    reading = Wire()
    store = ProcessStore(OnWire(Wire(), "FreeTDS", reading=reading))  # type: ignore[arg-type]
    store.by_correlation_id("opens the reader's connection")
    (read,) = sent_by(reading, lambda: store.by_correlation_id("order-1"))
    assert read.startswith("SELECT")


def test_batch_is_written_in_few_statements(wire: Wire) -> None:
    database = ready(wire)
    rows = [{"name": f"n{number}"} for number in range(300)]
    table = sa.table("t", sa.column("name", sa.Unicode(10)))
    with database.write() as connection:
        sent = sent_by(wire, lambda: connection.execute(sa.insert(table), rows))
    assert len(sent) == 1
    assert sent[0].count("(?)") == 300


def test_event_batches_stay_below_2100_parameters(wire: Wire) -> None:
    database = ready(wire)
    value = {"execution_id": uuid.uuid4(), "traceability_id": "t", "phase": "ops", "step_name": "s"}
    with database.write() as connection:
        before = len(wire.sent)
        connection.execute(sa.insert(event_log), [value] * 1_000)
    assert max(len(parameters) for _, parameters in wire.sent[before:]) < 2_100


def test_reads_open_no_transaction() -> None:
    writing, reading = Wire(), Wire()
    database = OnWire(writing, reading=reading)
    with database.read():
        assert reading.autocommit
    with database.write():
        assert not writing.autocommit


@pytest.mark.parametrize(("answer", "expected"), [(True, True), (1, True), (0, False), (None, False)])
def test_read_committed_snapshot_is_checked(answer: Any, expected: bool) -> None:
    database = ready(Wire({"is_read_committed_snapshot_on": answer}))
    with database.read() as connection:
        assert reads_without_locks(connection) is expected


def test_migration_holds_a_lock_of_its_session_and_has_time() -> None:
    wire = Wire({"sp_getapplock": 0})
    database = ready(wire)
    with migration_connection(database.engine):
        assert wire.timeout == MIGRATION_STATEMENT_S
        assert not wire.closed
        (lock,) = [text for text in wire.statements() if "sp_getapplock" in text]
        assert "@LockOwner = 'Session'" in lock
    assert wire.closed


def test_migration_does_not_run_beside_another() -> None:
    wire = Wire({"sp_getapplock": -1})
    with pytest.raises(MigrationRunning), migration_connection(ready(wire).engine):
        pytest.fail("ran beside another migration")
    assert wire.closed


def test_alembic_has_one_line_of_migrations() -> None:
    from alembic.script import ScriptDirectory

    script = ScriptDirectory.from_config(alembic_config())
    assert len(script.get_heads()) == 1
    assert len(script.get_bases()) == 1


def test_begin_writes_in_one_transaction(wire: Wire) -> None:
    store = EventStore(ready(wire))
    commits = wire.commits
    event = NewEvent("t", "s", external_task_id="task", lock_token="token")
    sent = sent_by(wire, lambda: store.begin(event, confirm=AttemptKey("task", "0")))
    assert [text.split()[0] for text in sent] == ["INSERT", "UPDATE"]
    assert wire.commits == commits + 1


def test_single_statement_is_one_round_trip(wire: Wire) -> None:
    database = ready(wire)
    processes, events, webhooks = ProcessStore(database), EventStore(database), WebhookStore(database)
    new = NewProcess(uuid.uuid4(), "order-1", "h", "p", {}, "trace")
    attempt = AttemptKey("task", "1")
    commits, rollbacks = wire.commits, wire.rollbacks

    for call in (
        lambda: processes.by_correlation_id("order-1"),
        lambda: processes.accept(new),
        lambda: processes.record_instance(new.id, "pi"),
        lambda: processes.release_claim(new.id, "token", is_first=True),
        lambda: processes.settle(new.id, Ending(OK)),
        lambda: processes.reopen(new.id),
        lambda: processes.close_in_engine(new.id),
        lambda: processes.postpone_close(new.id),
        lambda: events.begin(NewEvent("t", "s", external_task_id="task", lock_token="token")),
        lambda: events.progress(attempt, Progress(COMPLETING)),
        lambda: events.close(attempt, "completed"),
        lambda: events.forget_outcomes("order-1", "pi"),
        lambda: events.record(NewEvent("t", "s", OPS)),
        lambda: webhooks.record(Claim(uuid.uuid4(), "token"), Outcome(DELIVERED)),
    ):
        assert len(sent_by(wire, call)) == 1
    assert (wire.commits, wire.rollbacks) == (commits, rollbacks)


def test_connection_is_checked_only_after_it_was_idle(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    database = ready(wire)
    assert sent_by(wire, lambda: enter(database.engine)) == []

    after_a_pause(monkeypatch)

    assert sent_by(wire, lambda: enter(database.engine)) == ["SELECT 1"]


def test_connection_that_broke_while_it_was_idle_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    wires = [Wire(), Wire()]
    url = parse_url(URL.format("d"))
    left = iter(wires)
    engine = create_mssql(url, Driver("d", "d"), 2_500, module=pyodbc, creator=lambda: next(left))
    enter(engine)
    wires[0].is_broken = True
    after_a_pause(monkeypatch)

    with engine.connect() as connection:
        assert connection.connection.dbapi_connection is wires[1]
    assert wires[0].closed


def after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    later = time.monotonic() + CHECK_AFTER_S + 1
    monkeypatch.setattr(mssql.time, "monotonic", lambda: later)


def enter(engine: sa.Engine) -> None:
    with engine.connect():
        pass


def test_statement_whose_answer_was_lost_may_be_done(wire: Wire) -> None:
    store, translating = ProcessStore(ready(wire)), Database("sqlite://", pool_size=1, timeout_ms=100).translating
    wire.is_broken = True
    with pytest.raises(DatabaseUnavailable) as caught, translating():
        store.accept(NewProcess(uuid.uuid4(), "order-1", "h", "p", {}, "trace"))
    assert caught.value.maybe_done


def test_connection_that_cannot_be_made_has_done_nothing() -> None:
    def refused() -> Any:
        raise pyodbc.OperationalError("08001", "[08001] unable to connect (10061) (SQLDriverConnect)")

    unreachable = create_mssql(parse_url(URL.format("x")), Driver("x", "x"), 2_500, module=pyodbc, creator=refused)
    translating = Database("sqlite://", pool_size=1, timeout_ms=100).translating
    with pytest.raises(DatabaseUnavailable) as caught, translating(), unreachable.connect():
        pass
    assert not caught.value.maybe_done


def test_store_goes_by_the_clock_of_the_server(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_server_time", None)
    moment = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
    wire.answers["SYSUTCDATETIME"] = moment.replace(tzinfo=None)
    ready(wire)
    assert timedelta(0) <= clock.now() - moment < timedelta(seconds=30)
