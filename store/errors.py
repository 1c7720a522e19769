"""The exceptions of the store."""

from __future__ import annotations

from errors import CeleryCamundaError


class StoreError(CeleryCamundaError):
    """Base of the exceptions of the store."""


class DatabaseUnavailable(StoreError):
    """The database can't be reached, doesn't answer in time, or answers with a transient error.

    Every block of :class:`store.database.Database` raises it. The API answers 503 `database-away`; a task leaves the
    work to the next attempt or to the reconciler.

    Args:
        maybe_done: True when the statement was sent and its answer was lost, so that it may have been committed.
    """

    def __init__(self, message: str | None = None, *, maybe_done: bool = False) -> None:
        super().__init__(message)
        self.maybe_done = maybe_done


class TransactionConflict(DatabaseUnavailable):
    """The database rolled the transaction back because of another transaction: a deadlock or a snapshot conflict.

    `Database.write` raises it; :func:`store.retrying.retrying_conflicts` runs the transaction again.
    """


class InvalidDatabaseUrl(StoreError):
    """DATABASE_URL isn't a valid URL. The message doesn't contain the URL, because that holds a password.

    :func:`store.driver.parse_url` raises it; the process then doesn't start.
    """


class NoDriver(StoreError):
    """No ODBC driver for SQL Server was found, or no driver manager.

    :func:`store.driver.choose` raises it; the process then doesn't start.
    """


class MigrationRunning(StoreError):
    """Another migration is running.

    `python -m store.migrate` raises it on SQL Server and ends with exit code 1.
    """
