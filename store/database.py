"""The database access of one process: connection pool, pragmas, time-outs, and translation of transient errors."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from settings import Settings
from store import driver as odbc
from store.driver_errors import is_answer_lost, is_conflict, is_transient
from store.errors import DatabaseUnavailable, TransactionConflict
from store.mssql import create_mssql, reads_without_locks
from telemetry.metrics import declared

T = TypeVar("T")


class Database:
    """The connections of one process to the database; each child process makes its own after a fork.

    `write()` opens a transaction that commits at the end of the block. `write_one()` gives a connection for a single
    statement that commits by itself. `read()` gives a connection for reading, on which each statement sees the rows
    that are committed when it starts.

    Args:
        pool_size: most connections of each pool.
        timeout_ms: longest wait for a connection, a lock or a statement, in milliseconds.

    Raises:
        InvalidDatabaseUrl, NoDriver: from the constructor (see :mod:`store.driver`).
        DatabaseUnavailable: from every block, when the database can't be reached or answers with a transient error.
    """

    def __init__(self, url: str, *, pool_size: int, timeout_ms: int) -> None:
        self.url = odbc.parse_url(url)
        self.timeout_ms = timeout_ms
        self.driver = None if self.is_sqlite else odbc.choose(self.url)
        self._engine = _create_engine(self.url, pool_size, timeout_ms, self.driver)
        # For single statements, reads and writes. On SQL Server they have their own connections, because switching a
        # connection to autocommit and back costs two round trips.
        self._alone = (
            self._engine.execution_options(begin=False)
            if self.is_sqlite
            else _create_engine(
                self.url,
                pool_size,
                timeout_ms,
                self.driver,
                isolation_level="AUTOCOMMIT",
                skip_autocommit_rollback=True,
            )
        )
        # SQLite allows one writer at a time and lets the others sleep. Threads of this process wait for a lock instead.
        self._write_lock: threading.Lock | None = threading.Lock() if self.is_sqlite else None

    @classmethod
    def from_settings(cls, settings: Settings, *, pool_size: int | None = None) -> Database:
        """The database at DATABASE_URL."""
        return cls(
            settings.database_url,
            pool_size=pool_size or settings.db_pool_size,
            timeout_ms=settings.db_timeout_ms,
        )

    @property
    def is_sqlite(self) -> bool:
        """True for SQLite, the database for development."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def described(self) -> str:
        """Kind, address and driver of the database, without user and password, for logs and answers."""
        return odbc.described(self.url) + (f" through {self.driver.name}" if self.driver else "")

    @property
    def engine(self) -> sa.Engine:
        """The SQLAlchemy engine, for migrations and tests."""
        return self._engine

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection in a transaction: committed at the end of the block, rolled back when the block raises."""
        with self._writing(self._engine.begin) as connection:
            yield connection

    @contextmanager
    def write_one(self) -> Iterator[Connection]:
        """A connection for one writing statement, which is a transaction by itself.

        This saves the calls to begin and to commit, on SQL Server one round trip.
        """
        with self._writing(self._alone.connect) as connection:
            yield connection

    @contextmanager
    def _writing(self, connect: Callable[[], AbstractContextManager[Connection]]) -> Iterator[Connection]:
        lock, asked_at = self._write_lock, time.perf_counter()
        # Half of the time-out is for the lock of this process, half for that of the database (see _create_sqlite).
        if lock is not None and not lock.acquire(timeout=self.timeout_ms / 2000):
            declared.DATABASE_AWAY.inc()
            raise DatabaseUnavailable(f"no write lock within {self.timeout_ms // 2} ms")
        try:
            with self.translating(), connect() as connection:
                begun = time.perf_counter()
                declared.WRITE_WAIT.observe(begun - asked_at)
                yield connection
            declared.WRITE_SECONDS.observe(time.perf_counter() - begun)
        finally:
            if lock is not None:
                lock.release()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading, without a transaction around the statements."""
        with self.translating(), self._alone.connect() as connection:
            yield connection

    @contextmanager
    def translating(self) -> Iterator[None]:
        """Turn a transient error of the driver into :class:`DatabaseUnavailable`; other errors pass unchanged."""
        try:
            yield
        except (DBAPIError, DisconnectionError, PoolTimeout) as error:
            if is_transient(error):
                declared.DATABASE_AWAY.inc()
                if is_conflict(error):
                    raise TransactionConflict(self._short(error)) from error
                raise DatabaseUnavailable(self._short(error), maybe_done=is_answer_lost(error)) from error
            raise

    def _short(self, error: Exception) -> str:
        # Without the statement and its parameters, because they may hold personal data. No driver is known to put the
        # password into its message, but it is replaced to be safe.
        original = error.orig if isinstance(error, DBAPIError) else error
        text = str(original).splitlines()[0][:300]
        return text.replace(str(self.url.password), "***") if self.url.password else text

    def ping(self) -> None:
        """Check that the database answers.

        Raises:
            DatabaseUnavailable: it doesn't answer.
        """
        with self.read() as connection:
            connection.execute(sa.text("SELECT 1"))

    def advice(self) -> str:
        """The advice to the administrator of the database, in words; empty when there is none.

        Raises:
            DatabaseUnavailable: the database doesn't answer.
        """
        if self.is_sqlite:
            return ""
        with self.read() as connection:
            return "" if reads_without_locks(connection) else "READ_COMMITTED_SNAPSHOT is off: readers wait for writers"

    def dispose(self) -> None:
        """Close every pooled connection."""
        self._engine.dispose()
        self._alone.dispose()


def _create_engine(url: URL, pool_size: int, timeout_ms: int, driver: odbc.Driver | None, **more: Any) -> sa.Engine:
    options: dict[str, Any] = {
        "pool_size": pool_size,
        "max_overflow": 0,
        "pool_timeout": timeout_ms / 1000,
        "pool_recycle": 1800,
        # Statements hold the variables of processes as parameters; a logged error must not show them.
        "hide_parameters": True,
        **more,
    }
    if driver is None:
        return _create_sqlite(url, timeout_ms, options)
    return create_mssql(odbc.with_driver(url, driver), driver, timeout_ms, module=odbc.load_pyodbc(), **options)


def _create_sqlite(url: URL, timeout_ms: int, options: dict[str, Any]) -> sa.Engine:
    if url.database and url.database != ":memory:":
        Path(url.database).absolute().parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(
        url,
        connect_args={"timeout": timeout_ms / 2000, "check_same_thread": False, "cached_statements": 256},
        poolclass=sa.pool.QueuePool,
        # No reset, because every block commits or rolls back.
        pool_reset_on_return=None,
        **options,
    )

    @sa.event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        # The driver would begin transactions too late (at the first write), which then fail instead of waiting.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # Reads and single statements need no explicit transaction. A writing transaction takes the lock at its begin,
        # because taking it after a read may fail.
        if connection.get_execution_options().get("begin", True):
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
