"""The dialect of SQL Server over pyodbc and FreeTDS: a rollback succeeds also if the server has rolled back already.

With XACT_ABORT the server rolls back at an error by itself. FreeTDS then sends a rollback without a transaction, and
its error 3903 would hide the first one: a duplicate key, a deadlock. Microsoft's driver counts transactions itself.
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
    """pyodbc's dialect, with a rollback that always finds a transaction."""

    supports_statement_cache = True

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Roll back, unless the connection commits each statement by itself."""
        if not dbapi_connection.autocommit:
            cursor = dbapi_connection.cursor()
            try:
                cursor.execute(BEGIN_IF_NONE)
            finally:
                cursor.close()
        super().do_rollback(dbapi_connection)  # type: ignore[no-untyped-call]


registry.register(DRIVER_NAME.replace("+", "."), __name__, FreeTdsDialect.__name__)
