"""Classifies errors of database drivers: transient error, conflict, lost answer, duplicate key."""

from __future__ import annotations

import re
import sqlite3

from sqlalchemy.exc import DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

#: Error numbers of SQL Server: deadlock victim, lock request time-out, snapshot conflict, throttling, failover, lost
#: connections. https://learn.microsoft.com/sql/connect/ado-net/configurable-retry-logic lists the transient ones.
TRANSIENT_MSSQL = frozenset(
    {1205, 1222, 3960, 3935, 4060, 4221, 10928, 10929, 40197, 40501, 40613, 49918, 49919, 49920}
)
#: Prefixes of SQLSTATE: lost, refused or timed out connection, and rolled back transaction.
TRANSIENT_SQLSTATES = ("08", "40", "HYT")
#: Words in messages of SQLite when it can't read or write now; "locking protocol": it got no read lock within 10 s.
_TRANSIENT_SQLITE = (
    "locked",
    "locking protocol",
    "busy",
    "unable to open",
    "disk I/O",
    "disk is full",
    "readonly",
)
#: Error numbers of SQL Server after which it has rolled back the whole transaction: deadlock victim, snapshot conflict.
_CONFLICT_ERRORS = frozenset({1205, 3960})


def is_unique_violation(error: DBAPIError) -> bool:
    """True when `error` means that a unique key exists already (SQL Server 2601, 2627)."""
    original = error.orig
    if isinstance(original, sqlite3.IntegrityError):
        return "UNIQUE" in str(original)
    return bool(_mssql_numbers(original) & {2601, 2627})


def is_transient(error: Exception) -> bool:
    """True when the same work may succeed later."""
    if not isinstance(error, DBAPIError):
        return isinstance(error, DisconnectionError | PoolTimeout)
    if error.connection_invalidated:
        return True
    original = error.orig
    if isinstance(original, sqlite3.Error):
        return isinstance(error, OperationalError) and any(word in str(original) for word in _TRANSIENT_SQLITE)
    state = str(original.args[0]) if original is not None and original.args else ""
    return state.startswith(TRANSIENT_SQLSTATES) or bool(_mssql_numbers(original) & TRANSIENT_MSSQL)


def is_answer_lost(error: Exception) -> bool:
    """True when a statement was sent and its answer was lost; False when no connection could be opened."""
    if not isinstance(error, DBAPIError) or error.statement is None or isinstance(error.orig, sqlite3.Error):
        return False
    state = str(error.orig.args[0]) if error.orig is not None and error.orig.args else ""
    return error.connection_invalidated or state.startswith(("08", "HYT"))


def is_conflict(error: Exception) -> bool:
    """True when SQL Server has rolled the transaction back because of another transaction."""
    return isinstance(error, DBAPIError) and bool(_mssql_numbers(error.orig) & _CONFLICT_ERRORS)


def _mssql_numbers(original: BaseException | None) -> set[int]:
    # pyodbc has the native error numbers only in the message. A number stands at the end of each record of the driver:
    # before the name of the failed call, before the next record, or at the end of the message. Other numbers in
    # brackets may be values: "The duplicate key value is (1205). (2627) (SQLExecDirectW)".
    message = str(original.args[-1]) if original is not None and original.args else ""
    return {int(number) for number in re.findall(r"\((\d+)\)(?= \(SQL|; \[\w{5}\] \[|\Z)", message)}
