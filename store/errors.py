"""What the store raises."""

from __future__ import annotations

from errors import CeleryCamundaError


class StoreError(CeleryCamundaError):
    """Something is wrong with the database."""


class DatabaseUnavailable(StoreError):
    """The database cannot be reached, or did not answer in time.

    Every block of :class:`store.database.Database` raises it. The API answers 503 `database-away`; a task leaves the
    work to the next attempt or to the reconciler.

    Args:
        maybe_done: the statement was sent and its answer was lost: it may have been committed.
    """

    def __init__(self, message: str | None = None, *, maybe_done: bool = False) -> None:
        super().__init__(message)
        self.maybe_done = maybe_done


class TransactionConflict(DatabaseUnavailable):
    """The database rolled the transaction back in favour of another one: a deadlock or a snapshot conflict.

    `Database.write` raises it; :func:`store.retrying.retrying_conflicts` runs the transaction again.
    """


class InvalidDatabaseUrl(StoreError):
    """DATABASE_URL cannot be read. The message never quotes it: it holds a password.

    :func:`store.driver.parse_url` raises it; the process stops at its start.
    """


class NoDriver(StoreError):
    """There is no ODBC driver for SQL Server, or no driver manager.

    :func:`store.driver.choose` raises it; the process stops at its start.
    """


class MigrationRunning(StoreError):
    """Another migration is running.

    `python -m store.migrate` raises it on SQL Server and ends with exit code 1.
    """
