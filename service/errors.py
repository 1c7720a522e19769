"""The exceptions of the use cases."""

from __future__ import annotations

from typing import Any

from camunda_bridge.errors import BridgeError, EngineRefused, PermissionMissing
from errors import CeleryCamundaError


class ServiceError(CeleryCamundaError):
    """An operation was not carried out."""


class OperationUnavailable(ServiceError):
    """The engine did not answer, or refused the login. The message contains what the engine may have done.

    The operations on a process raise it; the API answers 503 `engine-away`.
    """


class OperationRefused(ServiceError):
    """The engine refused the operation, and would refuse it again: for its content, or for a missing permission.

    The message is the engine's own.

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
    """A part of the system does not work as it should.

    The checks of :mod:`service.health` raise it; `/health/ready` shows the part as down.

    Args:
        message: what is wrong.
        since: time since which it is wrong, in seconds since the epoch; None if that is unknown.
        facts: further facts about the part.
    """

    def __init__(self, message: str, *, since: float | None = None, facts: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.since = since
        self.facts = facts or {}


class AdoptionUnavailable(ServiceError):
    """The engine did not answer while a process was read from it.

    :func:`service.adoption.adopt_deployed` raises it; `flask process adopt` prints it.
    """


class NotReadable(ServiceError):
    """A diagram does something that is not read here: a call in an expression, a script, a called process.

    :mod:`service.adoption` raises it; a test of the written package then checks the steps until there.
    """


class CheckError(ServiceError):
    """The engine did not answer while its diagrams were checked.

    :mod:`service.checking` raises it; `flask process check --engine` prints it.
    """


class DeployError(ServiceError):
    """A BPMN file could not be deployed, or the deployed ones cannot be listed.

    :mod:`service.deploy` raises it; the commands print it and end with exit code 1.
    """


class ReplayError(ServiceError):
    """A step cannot be run again.

    :meth:`service.replay.Recorded.find` raises it; `flask process replay` prints it and ends with exit code 1.
    """


class ScaffoldError(ServiceError):
    """A new process cannot be written with this key or into this package.

    :func:`service.scaffold.write_process` raises it; `flask process new` prints it and ends with exit code 1.
    """


class TemplatesError(ServiceError):
    """An element template cannot be written.

    :mod:`service.element_templates` raises it; `flask process templates` prints it and ends with exit code 1.
    """


def as_answer(error: BridgeError, known: str) -> OperationUnavailable | OperationRefused:
    """The service's exception for one of the bridge.

    Args:
        error: the bridge's exception.
        known: what the engine has done, for the message.
    """
    refused = isinstance(error, PermissionMissing) or (isinstance(error, EngineRefused) and error.is_final)
    return (OperationRefused if refused else OperationUnavailable)(f"{error}; {known}")
