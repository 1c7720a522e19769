"""Tells transient errors of the engine from refusals, by the error document in its answer.

An engine that answers with an error document has rolled its transaction back. After a transient error the same request
may succeed. Every other error with status 500 is a refusal: an expression that can't be evaluated, a missing script
engine, a value that is too long for its column.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: `code` of an error document -> why the same request may succeed later. These are built-in exception codes:
#: https://docs.camunda.org/manual/7.24/user-guide/process-engine/error-handling/#built-in-codes
TRANSIENT_CODES = {
    1: "optimistic locking: another transaction changed the same rows",
    10_000: "deadlock: the database chose this transaction as the victim",
    10_001: "foreign key violation: another transaction deleted or added the row referred to",
}

#: `type` of an error document (the simple name of the Java exception) -> what raises it
TRANSIENT_TYPES = {
    # the engine: https://docs.camunda.org/manual/7.24/user-guide/process-engine/transactions-in-processes/
    "OptimisticLockingException": "the engine",
    "CrdbTransactionRetryException": "the engine on CockroachDB",
    "ProcessEnginePersistenceException": "the engine's persistence layer",
    "PersistenceException": "MyBatis, below the engine",
    # https://docs.oracle.com/en/java/javase/17/docs/api/java.sql/java/sql/package-summary.html
    "SQLTransientException": "JDBC",
    "SQLTransientConnectionException": "JDBC, and HikariCP when its pool is exhausted",
    "SQLTimeoutException": "JDBC",
    "SQLRecoverableException": "JDBC",
    "SQLNonTransientConnectionException": "JDBC: no connection to the database",
    # https://docs.spring.io/spring-framework/reference/data-access/dao.html
    "CannotGetJdbcConnectionException": "Spring: no connection to the database",
    "CannotCreateTransactionException": "Spring: no connection to the database",
    "CannotAcquireLockException": "Spring",
    "ConcurrencyFailureException": "Spring",
    "DeadlockLoserDataAccessException": "Spring",
    "PessimisticLockingFailureException": "Spring",
    "QueryTimeoutException": "Spring",
    "DataAccessResourceFailureException": "Spring",
    "TransientDataAccessResourceException": "Spring",
    "TransactionTimedOutException": "Spring",
    "TransactionSystemException": "Spring: the commit failed",
    "RejectedExecutionException": "a thread pool that is full",
    "OutOfMemoryError": "the Java virtual machine",
}

#: parts of a `message` that show the same when the REST API wraps the exception in its own, as it does at a start
TRANSIENT_WORDS = (
    "ENGINE-03005",  # the engine's own code of an optimistic locking exception
    "exception occurred in the persistence layer",
    "Could not open JDBC Connection",
    "Connection is not available, request timed out",
)

#: `code` of a value that is too long for its column (BuiltinExceptionCode.COLUMN_SIZE_TOO_SMALL): always a refusal
COLUMN_TOO_SMALL = 10_002


@dataclass(frozen=True, slots=True)
class Explanation:
    """An error document of the engine's REST API.

    https://docs.camunda.org/manual/7.24/reference/rest/overview/#error-handling
    """

    type: str
    message: str
    code: int | None = None

    @classmethod
    def load(cls, document: Any) -> Explanation | None:
        """From the JSON of an answer; None when it isn't an error document of the engine."""
        if not isinstance(document, dict) or not isinstance(document.get("type"), str) or not document["type"]:
            return None
        code = document.get("code")
        return cls(document["type"], str(document.get("message") or "")[:1000], code if isinstance(code, int) else None)

    def is_transient(self, *, is_fetch: bool = False) -> bool:
        """True when the same request may succeed soon.

        `is_fetch`: the request is a fetchAndLock. Two of these at the same time may cause a NullPointerException.
        """
        if self.code == COLUMN_TOO_SMALL:
            return False
        if self.code in TRANSIENT_CODES or self.type in TRANSIENT_TYPES:
            return True
        if is_fetch and self.type == "NullPointerException":
            return True
        return any(words in self.message for words in TRANSIENT_WORDS)
