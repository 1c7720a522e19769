"""The engine of SQL Server: what each connection is told, and how parameters are bound."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DisconnectionError

from store import clock
from store.driver import Driver
from store.errors import MigrationRunning
from store.freetds import DRIVER_NAME

#: What filtered indexes need: without it SQL Server neither makes or uses such an index nor lets anybody write to its
#: table (error 1934). https://learn.microsoft.com/sql/t-sql/statements/create-index-transact-sql has the list.
FILTERED_INDEXES = (
    "SET ANSI_NULLS ON; SET ANSI_PADDING ON; SET ANSI_WARNINGS ON; SET ARITHABORT ON; SET CONCAT_NULL_YIELDS_NULL ON; "
    "SET QUOTED_IDENTIFIER ON; SET NUMERIC_ROUNDABORT OFF"
)
#: What the driver, the login or the server may have set otherwise. Row counts decide races; XACT_ABORT leaves no half
#: transaction behind a statement that ran out of time; FreeTDS may cut long texts.
SESSION = f"{FILTERED_INDEXES}; SET NOCOUNT OFF; SET XACT_ABORT ON; SET TEXTSIZE 2147483647; SET LOCK_TIMEOUT {{}}"
#: What :mod:`store.clock` goes by; as DATETIME, which every driver gives as a time.
SERVER_TIME = "SELECT CAST(SYSUTCDATETIME() AS DATETIME)"
#: The length under which texts are bound, in characters. Bound under its own length each value would have a plan of
#: its own in the server's cache.
TEXT_LENGTH = 4000

#: A connection that was idle for longer is asked whether it still stands, in seconds.
CHECK_AFTER_S = 1.0

#: Two migrators at once: the second waits this long for the first, in milliseconds.
MIGRATION_LOCK_MS = 30_000
#: Longest statement of a migration, in seconds: an index of a hundred million rows takes its time.
MIGRATION_STATEMENT_S = 3_600

# A lock of the session, not of the transaction: the drivers begin transactions late, and in ways of their own.
MIGRATION_LOCK = sa.text(
    "SET NOCOUNT ON; DECLARE @granted INT; "
    "EXEC @granted = sp_getapplock @Resource = 'celery-camunda-migration', @LockMode = 'Exclusive', "
    f"@LockOwner = 'Session', @LockTimeout = {MIGRATION_LOCK_MS}; "
    "SET NOCOUNT OFF; SELECT @granted;"
)


SNAPSHOT_IS_ON = sa.text("SELECT is_read_committed_snapshot_on FROM sys.databases WHERE database_id = DB_ID()")


def create_mssql(url: URL, driver: Driver, timeout_ms: int, **options: Any) -> sa.Engine:
    """An engine whose connections wait no longer than `timeout_ms` for anything.

    A connection that was idle is checked before use; under load, where transactions follow one another, that would be
    a round trip more for each of them.
    """
    # The time-outs of connecting and of each statement, in whole seconds: pyodbc knows no finer. Locks do.
    seconds = max(1, round(timeout_ms / 1000))
    engine = sa.create_engine(
        url.set(drivername=DRIVER_NAME) if driver.is_freetds else url,
        connect_args={"timeout": seconds},
        # Whoever takes a connection commits or rolls back: a rollback more would be a round trip for nothing.
        pool_reset_on_return=None,
        # FreeTDS takes long texts only under the type that pyodbc chooses for them itself.
        use_setinputsizes=not driver.is_freetds,
        **options,
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.timeout = seconds
        cursor = connection.cursor()
        cursor.execute(SESSION.format(timeout_ms))
        asked_at = time.monotonic()
        told = cursor.execute(SERVER_TIME).fetchone()
        if told is not None:
            clock.set_by_server(told[0], asked_at=asked_at, answered_at=time.monotonic())
        cursor.close()
        connection.commit()

    @sa.event.listens_for(engine, "checkin")
    def note_use(_connection: Any, record: Any) -> None:
        record.info["used_at"] = time.monotonic()

    @sa.event.listens_for(engine, "checkout")
    def check_idle(connection: Any, record: Any, _proxy: object) -> None:
        used_at = record.info.get("used_at")
        if used_at is None or time.monotonic() - used_at < CHECK_AFTER_S:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise DisconnectionError(str(error)) from error

    @sa.event.listens_for(engine, "do_setinputsizes")
    def bind_at_one_length(sizes: dict[Any, Any], _cursor: Any, _sent: str, _values: Any, _context: Any) -> None:
        for parameter, size in sizes.items():
            # NVARCHAR(MAX) comes as a tuple already
            if isinstance(parameter.type.dialect_impl(engine.dialect), sa.Unicode) and not isinstance(size, tuple):
                sizes[parameter] = (size, TEXT_LENGTH, 0)

    return engine


def reads_without_locks(connection: Connection) -> bool:
    """True when READ_COMMITTED_SNAPSHOT is on: readers and writers then do not wait for each other."""
    return bool(connection.execute(SNAPSHOT_IS_ON).scalar_one_or_none())


@contextmanager
def alone(engine: sa.Engine) -> Iterator[Connection]:
    """A connection of its own for a migration: no other one runs meanwhile, and its statements may take long.

    Raises:
        MigrationRunning: another one held the lock for :data:`MIGRATION_LOCK_MS`.
    """
    with engine.connect() as connection:
        # Out of the pool: closed at the end, and the lock, which is the session's, with it.
        connection.detach()
        driver_connection: Any = connection.connection.dbapi_connection
        driver_connection.timeout = MIGRATION_STATEMENT_S
        connection.exec_driver_sql(f"SET LOCK_TIMEOUT {MIGRATION_LOCK_MS}")
        granted = connection.execute(MIGRATION_LOCK).scalar_one()
        connection.commit()
        if granted < 0:
            raise MigrationRunning("another migration is running")
        yield connection
