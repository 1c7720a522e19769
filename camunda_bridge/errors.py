"""The exceptions of the bridge. Each docstring names who raises the exception and what happens then."""

from __future__ import annotations

from typing import Any

from errors import CeleryCamundaError


class BridgeError(CeleryCamundaError):
    """Something went wrong between the workers and the engine."""


class EngineUnavailable(BridgeError):
    """The engine can't be reached, doesn't answer in time, or answers with a transient error.

    Every request of :class:`camunda_bridge.client.Engine` raises it. A worker repeats the request as long as the lock
    lasts; the API answers 503 `engine-away`.

    Args:
        maybe_done: False when the request certainly had no effect, for example because there was no connection.
    """

    def __init__(self, message: str | None = None, *, maybe_done: bool = True) -> None:
        super().__init__(message)
        self.maybe_done = maybe_done


class BrokenAnswer(BridgeError, OSError):
    """The engine closed the connection in the middle of its answer, or sent something that isn't HTTP.

    :mod:`camunda_bridge.wire` raises it; the session turns it into :class:`EngineUnavailable`.
    """


class EngineRefused(BridgeError):
    """The engine refused the request because of its content.

    Every request of :class:`camunda_bridge.client.Engine` raises it. A worker reports a failure without retries, which
    opens an incident; the API answers 409 `engine-refused`.
    """

    def __init__(self, message: str | None = None, *, status: int = 400, type_: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.type = type_

    @property
    def is_final(self) -> bool:
        """True when the engine would refuse the same request again.

        False for what may change: the login, a permission, a suspended instance.
        """
        return not isinstance(self, Unauthorized | PermissionMissing) and "suspended" not in str(self)


class NotFound(EngineRefused):
    """The engine doesn't have what the request names.

    Every request of :class:`camunda_bridge.client.Engine` raises it for 404. A start ends its process with
    `PROCESS_NOT_DEPLOYED`; in other requests it means that the task, instance or incident no longer exists.
    """


class Unauthorized(EngineRefused):
    """The engine refused the login: check CAMUNDA_AUTH and the user name, password or token that it needs.

    Every request of :class:`camunda_bridge.client.Engine` raises it for 401, and for 403 without a missing permission.
    The starts queue is paused until the engine accepts the login.
    """


class PermissionMissing(EngineRefused):
    """The technical user lacks a permission in the engine; the message names it and its resource.

    Every request of :class:`camunda_bridge.client.Engine` raises it for 403 `AuthorizationException`. A start ends its
    process with `START_REFUSED`; a step's outcome is reported by the next attempt; the API answers 409
    `engine-refused`.
    """


class LockLost(BridgeError):
    """The external task is no longer locked with this token, or no longer exists.

    Requests about a locked task raise it; the worker discards the outcome of the attempt.
    """


class VariableError(BridgeError):
    """A value can't be stored as a variable of the engine, or a variable can't be read.

    :mod:`camunda_bridge.variables` raises it. In a step the attempt fails without retries; the API answers 422.
    """


class DefinitionError(BridgeError):
    """The declaration or the BPMN file of a process is invalid.

    :mod:`camunda_bridge.definition`, :mod:`camunda_bridge.steps` and :mod:`camunda_bridge.bpmn` raise it. The package
    is left out, all others run; `flask process check` prints it, `/health/ready` and the log of each worker show it.

    Args:
        line: the line of the file that is wrong; None if it is not one line.
    """

    def __init__(self, message: str | None = None, *, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


class NotDeployed(DefinitionError):
    """The engine has no version of a process.

    :mod:`camunda_bridge.deployed` raises it; `flask process check --engine` prints it.
    """


class BusinessRuleError(BridgeError):
    """The step ends in a business error, and the process goes on at the BPMN event that catches `code`.

    A handler or a hook raises it. The worker throws a BPMN error in the engine.

    Args:
        code: the BPMN error code, for example ``"BACKGROUND_CHECK_REJECTED"``.
        message: a message for people.
        details: a JSON object with more, stored in the event log and in the error of the process.
    """

    def __init__(self, code: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details or {}


class PartnerError(BridgeError):
    """A partner service answered with an error, with no JSON, or not at all.

    :class:`camunda_bridge.partner.PartnerClient` raises it. The attempt fails and is retried, unless the handler or
    a hook handles the exception.

    Args:
        status: the HTTP status code; None when the partner didn't answer.
        body: the beginning of the answer.
    """

    def __init__(self, message: str, *, status: int | None = None, body: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = body
