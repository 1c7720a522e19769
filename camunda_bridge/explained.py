"""Which errors that the engine explains pass by themselves, and which are its refusals.

An engine that answers with its own error document has rolled the transaction back. What is transient succeeds when the
same request is made again; everything else that it answers with 500 is a refusal: an expression that it cannot
evaluate, a script engine that it has not, a value that its columns do not take.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: `code` of an error document -> why another try may succeed. The codes are the engine's built-in exception codes:
#: https://docs.camunda.org/manual/7.24/user-guide/process-engine/error-handling/#built-in-codes
TRANSIENT_CODES = {
    1: "optimistic locking: another transaction changed the same rows",
    10_000: "deadlock: the database chose this transaction as the victim",
    10_001: "foreign key violation: another transaction deleted or added the row referred to",
}

#: `type` of an error document, the simple name of the Java exception -> where it comes from
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

#: parts of a `message` that say the same where the REST API wraps the exception in its own, as it does at a start
TRANSIENT_WORDS = (
    "ENGINE-03005",  # the engine's own code of an optimistic locking exception
    "exception occurred in the persistence layer",
    "Could not open JDBC Connection",
    "Connection is not available, request timed out",
)

#: a value that a column does not take, whatever its type says: BuiltinExceptionCode.COLUMN_SIZE_TOO_SMALL
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
        """From the JSON of an answer; None when that is no error document of the engine."""
        if not isinstance(document, dict) or not isinstance(document.get("type"), str) or not document["type"]:
            return None
        code = document.get("code")
        return cls(document["type"], str(document.get("message") or "")[:1000], code if isinstance(code, int) else None)

    def is_transient(self, *, is_fetch: bool = False) -> bool:
        """True when the same request may succeed soon.

        `is_fetch`: the request fetches and locks external tasks: two that meet may end in a NullPointerException.
        """
        if self.code == COLUMN_TOO_SMALL:
            return False
        if self.code in TRANSIENT_CODES or self.type in TRANSIENT_TYPES:
            return True
        if is_fetch and self.type == "NullPointerException":
            return True
        return any(words in self.message for words in TRANSIENT_WORDS)
