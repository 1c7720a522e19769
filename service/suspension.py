"""Suspend and resume one process, or a process definition with all its instances, in the engine, for the facade.

While a process is suspended the engine offers none of its steps and fires none of its timers. A step that runs at that
moment ends: its outcome is written down, and reported when the process is resumed, without running the step again.
"""

from __future__ import annotations

from collections.abc import Iterator

from camunda_bridge.errors import BridgeError
from service.errors import ProcessNotStarted, as_answer
from service.retry import follow_at_once, write_down
from store.event_rows import OPS, NewEvent
from store.process_rows import ProcessRow
from tasks.runtime import runtime
from tasks.settling.instances import with_instance
from tasks.settling.settle import ops_event, record_ops


def suspend(row: ProcessRow, reason: str | None, *, actor: str) -> bool:
    """Suspend the instance of a process and those that it called; a suspended one stays so.

    Returns:
        False if the instance does not run any more.

    Raises:
        OperationUnavailable: the engine is unavailable, perhaps after some of the instances were suspended. It is safe
            to call again.
        OperationRefused: the engine refuses it.
        ProcessNotStarted: the process has no instance yet.
    """
    row, found = _set_suspended(row, suspended=True)
    if found:
        _record(row, "suspend", "the process was suspended", actor, {"reason": reason, "instances": found})
    return bool(found)


def resume(row: ProcessRow, *, actor: str) -> bool:
    """Resume the instance of a process and those that it called; see :func:`suspend`."""
    row, found = _set_suspended(row, suspended=False)
    if found:
        _record(row, "resume", "the process was resumed", actor, {"instances": found})
        follow_at_once(row, found[0])
    return bool(found)


def set_definition_suspended(process_key: str, *, suspended: bool, reason: str | None, actor: str) -> int:
    """Suspend or resume all versions of a process with their running instances, without those that they called.

    Returns:
        How many versions; 0 if the process is not deployed.

    Raises:
        OperationUnavailable: the engine is unavailable, perhaps after some versions. It is safe to call again.
        OperationRefused: the engine refuses it.
        DatabaseUnavailable: it is done in the engine, and not recorded.
    """
    engine = runtime().engine
    try:
        versions = engine.versions(process_key)
        # The newest first: no instance of it starts while the others are suspended.
        for version in versions:
            engine.set_definition_suspended(version["id"], suspended)
    except BridgeError as error:
        raise as_answer(error, "some versions may have been changed; call again") from error
    if versions:
        runtime().events.record(
            NewEvent(
                traceability_id=f"definition:{process_key}"[:200],
                phase=OPS,
                actor=actor,
                process_name=process_key,
                step_name="suspend" if suspended else "resume",
                result=f"the process definition was {'suspended' if suspended else 'resumed'}",
                metadata={"processKey": process_key, "versions": len(versions), "reason": reason},
            )
        )
    return len(versions)


def _set_suspended(row: ProcessRow, *, suspended: bool) -> tuple[ProcessRow, list[str]]:
    """The row with its instance, and the ids of the instances that were changed, its own first."""
    try:
        row = with_instance(row)
        if row.process_instance_id is None:
            raise ProcessNotStarted
        changed = list(_change(row.process_instance_id, suspended))
        if not changed:
            runtime().engine.require_permissions(row.process_key)
    except BridgeError as error:
        raise as_answer(error, "some of its instances may have been changed; call again") from error
    return row, changed


def _change(instance_id: str, suspended: bool) -> Iterator[str]:
    """Change an instance before those that it called: a suspended one calls no further ones."""
    if not runtime().engine.set_suspended(instance_id, suspended):
        return
    yield instance_id
    for called in runtime().engine.running_called_by(instance_id):
        yield from _change(called, suspended)


def _record(row: ProcessRow, step_name: str, result: str, actor: str, metadata: dict[str, object]) -> None:
    event = ops_event(row, actor=actor, step_name=step_name, result=result, metadata=metadata)
    write_down(lambda: record_ops(event), f"{step_name} of {row.correlation_id}")
