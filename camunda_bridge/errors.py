"""What can go wrong between us and the engine. The docstring of a class is its default message."""

from __future__ import annotations

from typing import Any


class BridgeError(Exception):
    """Something went wrong between the workers and the engine."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").split("\n", 1)[0])


class EngineUnavailable(BridgeError):
    """The engine could not be reached, did not answer in time, or answered with a fault of its own.

    `maybe_done` is False when the request surely had no effect (no connection was made).
    """

    def __init__(self, message: str | None = None, *, maybe_done: bool = True) -> None:
        super().__init__(message)
        self.maybe_done = maybe_done


class EngineRefused(BridgeError):
    """The engine refused the request as wrong."""

    def __init__(self, message: str | None = None, *, status: int = 400, type_: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.type = type_

    @property
    def is_final(self) -> bool:
        """True when the same request would be refused again: neither the login nor a suspended instance is at fault."""
        return not isinstance(self, Unauthorized) and "suspended" not in str(self)


class NotFound(EngineRefused):
    """The engine does not know what was asked for."""


class Unauthorized(EngineRefused):
    """The engine refused the login: check CAMUNDA_AUTH and what belongs to it."""


class LockLost(BridgeError):
    """The external task is no longer locked with our token, or is gone."""


class VariableError(BridgeError):
    """A value cannot be carried as a variable of the engine, or a variable cannot be read."""


class DefinitionError(BridgeError):
    """A process is not declared as it must be."""


class BusinessRuleError(BridgeError):
    """The step ended in a business error: the process goes on at the BPMN event that catches `code`.

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
