"""An unavailable database raises its error within the time-out, and no transaction is written in part."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from store.bookmarks import BookmarkStore
from store.clock import now
from store.database import Database
from store.driver_errors import is_unique_violation
from store.errors import DatabaseUnavailable, TransactionConflict
from store.models import bookmark
from store.process_rows import NewProcess
from store.processes import ProcessStore
from store.retrying import retrying, retrying_conflicts

#: a program that holds a write lock on the file until its standard input ends
LOCKER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked_by_another_process(path: Path) -> Iterator[None]:
    locker = subprocess.Popen(
        [sys.executable, "-c", LOCKER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert locker.stdin is not None
    assert locker.stdout is not None
    try:
        assert locker.stdout.readline() == "locked\n"
        yield
    finally:
        locker.stdin.close()
        locker.wait(10)
        locker.stdout.close()


@pytest.fixture
def file(tmp_path: Path, migrated_file: Path) -> Path:
    path = tmp_path / "store.db"
    path.write_bytes(migrated_file.read_bytes())
    return path


@pytest.fixture
def impatient(file: Path) -> Iterator[Database]:
    """A SQLite database that waits at most 300 ms for a lock."""
    database = Database(f"sqlite:///{file}", pool_size=2, timeout_ms=300)
    yield database
    database.dispose()


def new_process() -> NewProcess:
    return NewProcess(uuid.uuid4(), "order-1", "0" * 64, "p", {}, "trace")


def test_write_to_a_locked_database_is_refused_within_the_time_out(impatient: Database, file: Path) -> None:
    store = ProcessStore(impatient)
    with locked_by_another_process(file):
        begun = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match="locked"):
            store.accept(new_process())
        assert 0.1 < time.monotonic() - begun < 2
        assert store.by_correlation_id("order-1") is None
    assert store.accept(new_process())


def test_database_in_use_by_our_own_threads_is_refused_within_the_time_out(impatient: Database) -> None:
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with impatient.write():
            entered.set()
            leave.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    entered.wait(10)
    begun = time.monotonic()
    with pytest.raises(DatabaseUnavailable):
        ProcessStore(impatient).accept(new_process())
    assert time.monotonic() - begun < 2
    leave.set()
    holder.join(10)
    assert ProcessStore(impatient).accept(new_process())


def test_exhausted_pool_is_unavailable(file: Path) -> None:
    database = Database(f"sqlite:///{file}", pool_size=1, timeout_ms=300)
    with database.read() as _, pytest.raises(DatabaseUnavailable):
        database.ping()
    database.ping()
    database.dispose()


def test_file_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "folder.db"
    path.mkdir()
    with pytest.raises(DatabaseUnavailable):
        Database(f"sqlite:///{path}", pool_size=1, timeout_ms=300).ping()


def test_full_disk_is_unavailable(impatient: Database) -> None:
    with impatient.read() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    store = BookmarkStore(impatient)
    with pytest.raises(DatabaseUnavailable):
        _ = [store.put(f"name-{number}", "x" * 200) for number in range(200)]


def test_wrong_statement_is_not_unavailable(impatient: Database) -> None:
    with pytest.raises(DBAPIError), impatient.read() as connection:
        connection.execute(sa.text("SELECT * FROM nothing"))


def test_block_that_raises_is_rolled_back(database: Database) -> None:
    with suppress(RuntimeError), database.write() as connection:
        connection.execute(sa.delete(bookmark))
        connection.execute(sa.insert(bookmark), {"name": "n", "value": "v", "updated_at": now()})
        raise RuntimeError
    assert BookmarkStore(database).get("n") is None


def test_reader_sees_committed_rows_while_another_process_writes(impatient: Database, file: Path) -> None:
    BookmarkStore(impatient).put("n", "v")
    with locked_by_another_process(file):
        assert BookmarkStore(impatient).get("n") == "v"


def test_message_of_an_unavailable_database_shows_no_values(impatient: Database, file: Path) -> None:
    with locked_by_another_process(file), pytest.raises(DatabaseUnavailable) as away:
        BookmarkStore(impatient).put("n", "secret")
    assert "secret" not in str(away.value)
    assert "INSERT" not in str(away.value)


def test_work_is_tried_until_the_database_is_back() -> None:
    pauses: list[float] = []
    answers = iter([DatabaseUnavailable("1"), DatabaseUnavailable("2"), DatabaseUnavailable("3")])

    def work() -> str:
        if error := next(answers, None):
            raise error
        return "done"

    assert retrying(work, for_s=60, sleep=pauses.append) == "done"
    assert len(pauses) == 3
    assert all(0 < pause <= 0.05 * 2**number for number, pause in enumerate(pauses))


def test_retrying_ends_at_its_deadline() -> None:
    def work() -> None:
        raise DatabaseUnavailable("still")

    begun = time.monotonic()
    with pytest.raises(DatabaseUnavailable, match="still"):
        retrying(work, for_s=0.2)
    assert time.monotonic() - begun < 1


def test_deadlock_victim_runs_again_and_work_on_an_unavailable_database_does_not() -> None:
    def run(*errors: DatabaseUnavailable) -> tuple[int, int]:
        pauses: list[float] = []
        left = list(errors)

        def work() -> int:
            if left:
                raise left.pop(0)
            return 1

        return retrying_conflicts(work, sleep=pauses.append), len(pauses)

    assert run() == (1, 0)
    assert run(TransactionConflict("1"), TransactionConflict("2")) == (1, 2)
    with pytest.raises(TransactionConflict, match="4"):
        run(*(TransactionConflict(str(number)) for number in range(1, 10)))
    with pytest.raises(DatabaseUnavailable, match="away"):
        run(TransactionConflict("1"), DatabaseUnavailable("away"))


def test_other_errors_are_not_tried_again() -> None:
    calls: list[int] = []

    def work() -> None:
        calls.append(1)
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        retrying(work, for_s=60)
    assert len(calls) == 1


class PyodbcError(Exception):
    """An exception in the form of pyodbc's: SQLSTATE, then the driver's messages."""


def sql_server_error(state: str, message: str, number: int) -> DBAPIError:
    text = f"[{state}] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]{message} ({number}) (SQLExecDirectW)"
    if state == "23000":
        text += f"; [{state}] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]The statement has been terminated. (3621)"
    kind = IntegrityError if state == "23000" else DBAPIError
    return kind("INSERT", {}, PyodbcError(state, text))


DUPLICATE = (
    "Violation of UNIQUE KEY constraint 'uq_process_store_correlation_id'. Cannot insert duplicate key in object "
    "'dbo.process_store'. The duplicate key value is ({})."
)


@pytest.mark.parametrize("value", ["order-1", "1205", "40613", "2627"])
def test_duplicate_key_of_sql_server_is_one_whatever_its_value(impatient: Database, value: str) -> None:
    error = sql_server_error("23000", DUPLICATE.format(value), 2627)
    assert is_unique_violation(error)
    with pytest.raises(IntegrityError), impatient.translating():
        raise error


def test_other_constraint_of_sql_server_is_no_duplicate() -> None:
    message = 'The INSERT statement conflicted with the CHECK constraint "ck" of value (2627).'
    assert not is_unique_violation(sql_server_error("23000", message, 547))


@pytest.mark.parametrize(
    ("state", "message", "number"),
    [
        ("40001", "Transaction (Process ID 56) was deadlocked on lock resources", 1205),
        ("HY000", "Snapshot isolation transaction aborted due to update conflict.", 3960),
        ("42000", "Lock request time out period exceeded.", 1222),
        ("42000", "Database 'x' on server 'y' is not currently available.", 40613),
        ("08S01", "TCP Provider: Error code 0x68", 104),
        ("HYT00", "Login timeout expired", 0),
    ],
)
def test_transient_errors_of_sql_server_are_unavailable(
    impatient: Database, state: str, message: str, number: int
) -> None:
    with pytest.raises(DatabaseUnavailable) as away, impatient.translating():
        raise sql_server_error(state, message, number)
    assert isinstance(away.value, TransactionConflict) is (number in {1205, 3960})


def test_permanent_errors_of_sql_server_are_not_unavailable(impatient: Database) -> None:
    with pytest.raises(DBAPIError), impatient.translating():
        raise sql_server_error("28000", "Login failed for user (1205).", 18456)


def test_duplicate_of_sqlite_is_a_unique_violation_and_other_constraints_are_not(impatient: Database) -> None:
    def error_of(statement: str) -> DBAPIError:
        with pytest.raises(IntegrityError) as caught, impatient.write() as connection:
            connection.exec_driver_sql(statement)
        assert isinstance(caught.value.orig, sqlite3.IntegrityError)
        return caught.value

    BookmarkStore(impatient).put("n", "v")
    assert is_unique_violation(error_of("INSERT INTO bookmark VALUES ('n', 'v', '2026-01-01')"))
    assert not is_unique_violation(error_of("INSERT INTO bookmark VALUES ('m', NULL, '2026-01-01')"))
