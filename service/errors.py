"""What a use case raises."""

from __future__ import annotations

from typing import Any

from camunda_bridge.errors import BridgeError, EngineRefused
from errors import CeleryCamundaError


class ServiceError(CeleryCamundaError):
    """An operation was not carried out."""


class OperationUnavailable(ServiceError):
    """The engine did not answer, or refused the login. The message says what the engine may have done.

    The operations on a process raise it; the API answers 503 `engine-away`.
    """


class OperationRefused(ServiceError):
    """The engine refused the operation, in its own words; it would refuse the same again.

    The operations on a process raise it; the API answers 409 `engine-refused`.
    """


class ProcessNotStarted(ServiceError):
    """The process has no instance in the engine yet.

    :func:`service.messages.correlate_message` raises it; the API answers 409.
    """


class ProcessStillRunning(ServiceError):
    """The process has not ended, or its instance has not.

    :func:`service.erasure.erase` raises it; the API answers 409.
    """


class PartUnhealthy(ServiceError):
    """A part of the system is not as it should be.

    The checks of :mod:`service.health` raise it; `/health/ready` shows the part as away.

    Args:
        since: since when, in seconds since the epoch; None if that is unknown.
        facts: what else is known about the part.
    """

    def __init__(self, message: str, *, since: float | None = None, facts: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.since = since
        self.facts = facts or {}


class DeployError(ServiceError):
    """A BPMN file could not be deployed.

    :func:`service.deploy.deploy_all` raises it; `flask process deploy` prints it and ends with exit code 1.
    """


class ReplayError(ServiceError):
    """A step cannot be run again.

    :func:`service.replay.replay` raises it; `flask process replay` prints it and ends with exit code 1.
    """


class ScaffoldError(ServiceError):
    """A process cannot be written under this name or at this place.

    :func:`service.scaffold.write_process` raises it; `flask process new` prints it and ends with exit code 1.
    """


def as_answer(error: BridgeError, known: str) -> OperationUnavailable | OperationRefused:
    """The service's error for one of the bridge. `known`: what the engine has done."""
    refused = isinstance(error, EngineRefused) and error.is_final
    return (OperationRefused if refused else OperationUnavailable)(f"{error}; {known}")
