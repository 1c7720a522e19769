"""Deliver a BPMN message to a process that waits for it, for the facade."""

from __future__ import annotations

from typing import Any

from camunda_bridge.errors import BridgeError, EngineUnavailable
from camunda_bridge.variables import outgoing
from service.errors import ProcessNotStarted, as_answer
from service.retry import follow_at_once, write_down
from store.process_rows import ProcessRow
from tasks.runtime import runtime
from tasks.settling.instances import with_instance
from tasks.settling.settle import ops_event, record_ops
from telemetry.crash_points import crash_point


def correlate_message(row: ProcessRow, message: str, variables: dict[str, Any], *, actor: str) -> bool:
    """Deliver a message with variables to the instance of `row`, and follow it at once.

    Only this instance can get the message: processes that it called have instances of their own. A message that the
    engine accepted counts as delivered even if its event cannot be written.

    Returns:
        True if it was delivered; False if not exactly one element of the instance waits for it.

    Raises:
        OperationUnavailable: the engine is unavailable or refuses the login. If it became unavailable during the call,
            it may have accepted the message.
        OperationRefused: the engine failed to go on with the process, and rolled the delivery back.
        ProcessNotStarted: the process has no instance yet.
    """
    try:
        row = with_instance(row)
        instance_id = row.process_instance_id
        if instance_id is None:
            raise ProcessNotStarted
        if not runtime().engine.correlate(message, instance_id=instance_id, variables=outgoing(variables)):
            runtime().engine.require_permissions(row.process_key)
            return False
    except BridgeError as error:
        maybe_done = isinstance(error, EngineUnavailable) and error.maybe_done
        known = "the process may have received the message" if maybe_done else "the message was not delivered"
        raise as_answer(error, known) from error
    crash_point("message: correlated, not followed")
    follow_at_once(row, instance_id)
    event = ops_event(
        row,
        actor=actor,
        step_name="message",
        result=f"the message {message!r} was delivered",
        metadata={"messageName": message, "variables": sorted(variables)},
    )
    write_down(lambda: record_ops(event), f"message {message!r} to {row.correlation_id}")
    return True
