"""Deliver a message to a process that waits for it, for the facade."""

from __future__ import annotations

from typing import Any

from camunda_bridge.errors import BridgeError
from camunda_bridge.variables import to_engine
from store.processes import ProcessRow
from tasks.retry import EngineUnavailable, follow_at_once
from tasks.runtime import runtime
from tasks.settle import record_ops


def correlate_message(row: ProcessRow, message: str, variables: dict[str, Any], *, actor: str) -> bool:
    """Deliver a message with variables to the instance of `row`, and have its next steps run at once.

    False when nothing in the instance waits for it, or more than one place does. Processes that it called are
    instances of their own, and are not asked.

    Raises:
        EngineUnavailable: the engine is away or refuses us; away in the midst of the call, it may have the message.
        DatabaseAway: the message was delivered, but the event that says so was not written.
    """
    instance_id = row.process_instance_id
    if instance_id is None:
        return False
    try:
        if not runtime().engine.correlate(message, instance_id=instance_id, variables=to_engine(variables)):
            return False
    except BridgeError as error:
        raise EngineUnavailable(str(error)) from error
    follow_at_once(row, instance_id)
    record_ops(
        row,
        actor=actor,
        step_name="message",
        result=f"the message {message!r} was delivered",
        metadata={"messageName": message, "variables": sorted(variables)},
    )
    return True
