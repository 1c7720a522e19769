"""The dialect of SQL Server over pyodbc and FreeTDS: a rollback also succeeds if the server has rolled back already.

With XACT_ABORT the server rolls back by itself at an error. FreeTDS then sends a rollback without a transaction. Its
error 3903 would hide the first error, such as a duplicate key or a deadlock. Microsoft's driver tracks transactions
itself and doesn't send that rollback.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.mssql.pyodbc import MSDialect_pyodbc

#: sent before each rollback, so that there is a transaction to roll back
BEGIN_IF_NONE = "IF @@TRANCOUNT = 0 BEGIN TRANSACTION"

#: the name under which SQLAlchemy finds the dialect, in the URL of an engine
DRIVER_NAME = "mssql+pyodbc_freetds"


class FreeTdsDialect(MSDialect_pyodbc):
    """The dialect of pyodbc, with a rollback that always has a transaction to roll back."""

    supports_statement_cache = True

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Roll back; without autocommit, begin a transaction first if there is none."""
        if not dbapi_connection.autocommit:
            cursor = dbapi_connection.cursor()
            try:
                cursor.execute(BEGIN_IF_NONE)
            finally:
                cursor.close()
        super().do_rollback(dbapi_connection)  # type: ignore[no-untyped-call]


registry.register(DRIVER_NAME.replace("+", "."), __name__, FreeTdsDialect.__name__)
