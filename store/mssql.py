"""The SQLAlchemy engine for SQL Server: options of each connection, and how parameters are bound."""

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

#: Options that filtered indexes require: without them SQL Server doesn't create or use such an index, and refuses
#: writes to its table (error 1934). https://learn.microsoft.com/sql/t-sql/statements/create-index-transact-sql
FILTERED_INDEXES = (
    "SET ANSI_NULLS ON; SET ANSI_PADDING ON; SET ANSI_WARNINGS ON; SET ARITHABORT ON; SET CONCAT_NULL_YIELDS_NULL ON; "
    "SET QUOTED_IDENTIFIER ON; SET NUMERIC_ROUNDABORT OFF"
)
#: Options of every connection, which the driver, the login or the server may have set differently. Row counts are
#: needed to detect lost races. With XACT_ABORT a statement that timed out leaves no half transaction. FreeTDS may cut
#: long texts without TEXTSIZE.
SESSION = f"{FILTERED_INDEXES}; SET NOCOUNT OFF; SET XACT_ABORT ON; SET TEXTSIZE 2147483647; SET LOCK_TIMEOUT {{}}"
#: Query of the time for :mod:`store.clock`; as DATETIME, which every driver returns as a time.
SERVER_TIME = "SELECT CAST(SYSUTCDATETIME() AS DATETIME)"
#: Declared length of all text parameters, in characters. If each parameter were declared with the length of its value,
#: the plan cache of the server would hold one plan for each length.
TEXT_LENGTH = 4000

#: A connection that was idle for longer than this is checked before use, in seconds.
CHECK_AFTER_S = 1.0

#: How long a migration waits for another one, in milliseconds.
MIGRATION_LOCK_MS = 30_000
#: Longest duration of a statement of a migration, in seconds: building an index on a hundred million rows is slow.
MIGRATION_STATEMENT_S = 3_600

# A lock of the session instead of the transaction, because drivers begin transactions late, each in its own way.
MIGRATION_LOCK = sa.text(
    "SET NOCOUNT ON; DECLARE @granted INT; "
    "EXEC @granted = sp_getapplock @Resource = 'celery-camunda-migration', @LockMode = 'Exclusive', "
    f"@LockOwner = 'Session', @LockTimeout = {MIGRATION_LOCK_MS}; "
    "SET NOCOUNT OFF; SELECT @granted;"
)

SNAPSHOT_IS_ON = sa.text("SELECT is_read_committed_snapshot_on FROM sys.databases WHERE database_id = DB_ID()")


def create_mssql(url: URL, driver: Driver, timeout_ms: int, **options: Any) -> sa.Engine:
    """An engine whose connections wait at most `timeout_ms` milliseconds for a login, a statement or a lock.

    Only a connection that was idle is checked before use. Checking each time would cost one more round trip for every
    transaction under load.
    """
    # Time-outs of the login and of each statement; pyodbc takes whole seconds. The lock time-out is in milliseconds.
    seconds = max(1, round(timeout_ms / 1000))
    engine = sa.create_engine(
        url.set(drivername=DRIVER_NAME) if driver.is_freetds else url,
        connect_args={"timeout": seconds},
        # No reset, because every block commits or rolls back; another rollback would only cost a round trip.
        pool_reset_on_return=None,
        # FreeTDS accepts long texts only with the type that pyodbc chooses.
        use_setinputsizes=not driver.is_freetds,
        **options,
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.timeout = seconds
        cursor = connection.cursor()
        cursor.execute(SESSION.format(timeout_ms))
        asked_at = time.monotonic()
        row = cursor.execute(SERVER_TIME).fetchone()
        if row is not None:
            clock.set_by_server(row[0], asked_at=asked_at, answered_at=time.monotonic())
        cursor.close()
        connection.commit()

    @sa.event.listens_for(engine, "checkin")
    def record_use(_connection: Any, record: Any) -> None:
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
            # the size of an NVARCHAR(MAX) is a tuple already
            if isinstance(parameter.type.dialect_impl(engine.dialect), sa.Unicode) and not isinstance(size, tuple):
                sizes[parameter] = (size, TEXT_LENGTH, 0)

    return engine


def reads_without_locks(connection: Connection) -> bool:
    """True when READ_COMMITTED_SNAPSHOT is on: then readers and writers don't wait for each other."""
    return bool(connection.execute(SNAPSHOT_IS_ON).scalar_one_or_none())


@contextmanager
def migration_connection(engine: sa.Engine) -> Iterator[Connection]:
    """A connection that holds the migration lock, so that no other migration runs, and allows slow statements.

    Raises:
        MigrationRunning: another migration held the lock for :data:`MIGRATION_LOCK_MS`.
    """
    with engine.connect() as connection:
        # Taken out of the pool, so that it is closed at the end. This ends its session and releases the lock.
        connection.detach()
        driver_connection: Any = connection.connection.dbapi_connection
        driver_connection.timeout = MIGRATION_STATEMENT_S
        connection.exec_driver_sql(f"SET LOCK_TIMEOUT {MIGRATION_LOCK_MS}")
        granted = connection.execute(MIGRATION_LOCK).scalar_one()
        connection.commit()
        if granted < 0:
            raise MigrationRunning("another migration is running; try again when it has finished")
        yield connection
