"""One process's way to the database: pool, pragmas, time-outs, and which errors mean "try again"."""

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
    """The engine of one process, made anew in each child after a fork.

    `write()` gives a connection in a transaction that commits at the end of the block, `write_one()` one for a single
    statement that commits by itself, `read()` one that sees committed rows, statement by statement.

    Raises:
        BadUrl, NoDriver: when made (see :mod:`store.driver`).
        DatabaseUnavailable: from any block, when the database cannot be reached or answers with a transient error.
    """

    def __init__(self, url: str, *, pool_size: int, timeout_ms: int) -> None:
        self.url = odbc.parse_url(url)
        self.timeout_ms = timeout_ms
        self.driver = None if self.is_sqlite else odbc.choose(self.url)
        self._engine = _create_engine(self.url, pool_size, timeout_ms, self.driver)
        # For what is one statement, read or written. On SQL Server connections of their own: to switch one to and fro
        # would be two round trips.
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
        # SQLite lets one writer in at a time and makes the others sleep; threads of one process queue here instead.
        self._turn: threading.Lock | None = threading.Lock() if self.is_sqlite else None

    @classmethod
    def from_settings(cls, settings: Settings, *, pool_size: int | None = None) -> Database:
        """The database that `settings` name."""
        return cls(
            settings.database_url,
            pool_size=pool_size or settings.db_pool_size,
            timeout_ms=settings.db_timeout_ms,
        )

    @property
    def is_sqlite(self) -> bool:
        """True on the development database."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def described(self) -> str:
        """What and where it is and which driver speaks to it, without user and password: for logs and answers."""
        return odbc.described(self.url) + (f" through {self.driver.name}" if self.driver else "")

    @property
    def engine(self) -> sa.Engine:
        """SQLAlchemy's engine, for migrations and tests."""
        return self._engine

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection in a transaction, committed at the end of the block, rolled back when it raises."""
        with self._writing(self._engine.begin) as connection:
            yield connection

    @contextmanager
    def write_one(self) -> Iterator[Connection]:
        """A connection for one statement that writes, and is a transaction by itself.

        To begin and to commit would be two calls more, on SQL Server a round trip.
        """
        with self._writing(self._alone.connect) as connection:
            yield connection

    @contextmanager
    def _writing(self, connect: Callable[[], AbstractContextManager[Connection]]) -> Iterator[Connection]:
        turn, asked_at = self._turn, time.perf_counter()
        # Half of the time for the turn within this process, half for the lock against others (see _create_sqlite).
        if turn is not None and not turn.acquire(timeout=self.timeout_ms / 2000):
            declared.DATABASE_AWAY.inc()
            raise DatabaseUnavailable(f"no turn to write within {self.timeout_ms // 2} ms")
        try:
            with self.translating(), connect() as connection:
                begun = time.perf_counter()
                declared.WRITE_WAIT.observe(begun - asked_at)
                yield connection
            declared.WRITE_SECONDS.observe(time.perf_counter() - begun)
        finally:
            if turn is not None:
                turn.release()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading; each statement stands alone."""
        with self.translating(), self._alone.connect() as connection:
            yield connection

    @contextmanager
    def translating(self) -> Iterator[None]:
        """Turn an error that says "away" or "try again" into :class:`DatabaseUnavailable`; let every other one pass."""
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
        # Without the statement and its parameters: they may hold what must not be logged. No driver is known to quote
        # the password; should one do it, it goes no further than here.
        original = error.orig if isinstance(error, DBAPIError) else error
        said = str(original).splitlines()[0][:300]
        return said.replace(str(self.url.password), "***") if self.url.password else said

    def ping(self) -> None:
        """Ask for nothing, to see whether the database answers.

        Raises:
            DatabaseUnavailable: it does not.
        """
        with self.read() as connection:
            connection.execute(sa.text("SELECT 1"))

    def advice(self) -> str:
        """What its administrator should change, in words; empty when nothing.

        Raises:
            DatabaseUnavailable: it cannot be asked.
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
        # what a process was started with is in every statement; a logged error must not show it
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
        # Whoever takes a connection commits or rolls back.
        pool_reset_on_return=None,
        **options,
    )

    @sa.event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        # The driver's own transactions begin too late (at the first write) and then fail instead of waiting.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A reader needs no transaction, and a single statement is one. Another writer takes its lock at once: taking it
        # later, after a read, may fail.
        if connection.get_execution_options().get("begin", True):
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
