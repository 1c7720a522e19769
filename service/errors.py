"""What a use case raises when the engine stands in its way."""

from __future__ import annotations

from camunda_bridge.errors import BridgeError, EngineRefused


class OperationUnavailable(Exception):
    """The engine did not answer, or refused our login; the message says what is known of what it has done."""


class OperationRefused(Exception):
    """The engine refused what it was asked for, in its own words; the same would be refused again."""


def as_answer(error: BridgeError, known: str) -> OperationUnavailable | OperationRefused:
    """What a caller is told of an error; `known`: what the engine has done."""
    refused = isinstance(error, EngineRefused) and error.is_final
    return (OperationRefused if refused else OperationUnavailable)(f"{error}; {known}")
