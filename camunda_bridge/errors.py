"""What the bridge raises. Each docstring says who raises the exception and what answers it."""

from __future__ import annotations

from typing import Any

from errors import CeleryCamundaError


class BridgeError(CeleryCamundaError):
    """Something went wrong between the workers and the engine."""


class EngineUnavailable(BridgeError):
    """The engine could not be reached, did not answer in time, or answered with a transient error.

    Every request of :class:`camunda_bridge.client.Engine` raises it. A worker repeats the request as long as the lock
    lasts; the API answers 503 `engine-away`.

    Args:
        maybe_done: False when the request surely had no effect, as without a connection.
    """

    def __init__(self, message: str | None = None, *, maybe_done: bool = True) -> None:
        super().__init__(message)
        self.maybe_done = maybe_done


class BrokenAnswer(BridgeError, OSError):
    """The engine closed the connection within its answer, or what it sent is no HTTP.

    :mod:`camunda_bridge.wire` raises it; the session raises :class:`EngineUnavailable` in its place.
    """


class EngineRefused(BridgeError):
    """The engine refused the request for its content.

    Every request of :class:`camunda_bridge.client.Engine` raises it. A worker reports a failure without retries, which
    opens an incident; the API answers 409 `engine-refused`.
    """

    def __init__(self, message: str | None = None, *, status: int = 400, type_: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.type = type_

    @property
    def is_final(self) -> bool:
        """True when the engine would refuse the same request again: not for the login or a suspended instance."""
        return not isinstance(self, Unauthorized) and "suspended" not in str(self)


class NotFound(EngineRefused):
    """The engine does not know what the request names.

    Every request of :class:`camunda_bridge.client.Engine` raises it for 404. A start ends its process with
    `PROCESS_NOT_DEPLOYED`; elsewhere the task, instance or incident has ended meanwhile.
    """


class Unauthorized(EngineRefused):
    """The engine refused the login: check CAMUNDA_AUTH and the settings that belong to it.

    Every request of :class:`camunda_bridge.client.Engine` raises it for 401 and 403. The starts queue is paused until
    the login is accepted.
    """


class LockLost(BridgeError):
    """The external task is no longer locked with this token, or is gone.

    Requests about a locked task raise it; the worker discards the outcome of the attempt.
    """


class VariableError(BridgeError):
    """A value cannot be carried as a variable of the engine, or a variable cannot be read.

    :mod:`camunda_bridge.variables` raises it. In a step the attempt fails without retries; the API answers 422.
    """


class DefinitionError(BridgeError):
    """A process is not declared as it must be.

    :mod:`camunda_bridge.definition` and :mod:`camunda_bridge.bpmn` raise it; the process stops at its start, and
    `flask process check` prints it.
    """


class BusinessRuleError(BridgeError):
    """The step ended in a business error: the process goes on at the BPMN event that catches `code`.

    A handler raises it, or a hook. The worker throws a BPMN error in the engine.

    Args:
        code: the BPMN error code, for example ``"BACKGROUND_CHECK_REJECTED"``.
        message: what a person should read.
        details: a JSON object with more, kept in the event log and in the process's error.
    """

    def __init__(self, code: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details or {}


class PartnerError(BridgeError):
    """A partner service did not answer as it should.

    :class:`camunda_bridge.partner.PartnerClient` raises it. The attempt fails and is tried again, unless the handler or
    a hook handles it.

    Args:
        status: the HTTP status code; None when the partner did not answer at all.
        body: the beginning of the answer.
    """

    def __init__(self, message: str, *, status: int | None = None, body: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = body
